import { expect, test } from 'bun:test';
import { MAX_PAGE_BYTES } from '../../src/protocol/frames.ts';
import type { Client } from '../support/client.ts';
import { API_KEY } from '../support/people.ts';
import { fresh, startServer } from '../support/server.ts';

const EMOJI = [...'👍👎😀😂😍🤔😢😡🎉🔥👀💯🙏👏🚀🌈🍀🍕🎂🐢'];
const LETTERS = [...'𐐨𐐩𐐪𐐫𐐬'];
/** Names of as many bytes as can be: 32 letters of four bytes each. */
const LONG_NAMES = LETTERS.flatMap((one) => LETTERS.map((other) => one.repeat(31) + other));

const server = await startServer({ apiKey: API_KEY });

/** Clients of users of these names, and messages in a room that nobody is in any more. */
async function startCrowd(names: string[], room: string, messages: number) {
  const author = await server.enter(fresh('author'), room);
  const ids: number[] = [];
  for (let n = 0; n < messages; n++) {
    author.send({ type: 'message', room, content: `${n}`, id: `m${n}` });
    ids.push((await author.untilType('ack')).messageId as number);
  }
  await author.close();
  const clients = await Promise.all(names.map((name) => server.enter(name, fresh('elsewhere'))));
  return { clients, ids };
}

/** Sends frames one after the other, and waits until each has taken effect. */
async function act(client: Client, frames: object[]): Promise<void> {
  for (const [n, frame] of frames.entries()) client.send({ ...frame, id: `${n}` });
  for (const _ of frames) await client.untilType('ack');
}

const read = async (path: string) => {
  const reply = await server.fetch(path);
  const text = await reply.text();
  return {
    bytes: Buffer.byteLength(text),
    body: JSON.parse(text),
    link: reply.headers.get('link'),
  };
};

test('a page of messages with the maximum of reactions keeps to its size', async () => {
  const room = fresh('crowd');
  const { clients, ids } = await startCrowd(LONG_NAMES.slice(0, 20), room, 6);
  const all = ids.flatMap((messageId) =>
    EMOJI.map((emoji) => ({ type: 'react', messageId, emoji })),
  );
  await Promise.all(clients.map((client) => act(client, all)));
  let next: string | undefined = `/messages?room=${room}&limit=100`;
  const found: { id: number; reactions: { count: number; usernames: string[] }[] }[] = [];
  while (next) {
    const page: Awaited<ReturnType<typeof read>> = await read(next);
    expect(page.bytes).toBeLessThan(MAX_PAGE_BYTES + 4096);
    found.unshift(...page.body);
    next = /<([^>]+)>/.exec(page.link ?? '')?.[1]?.replace(server.url, '');
  }
  expect(found.map(({ id }) => id)).toEqual(ids);
  for (const { reactions } of found) {
    expect(reactions).toHaveLength(20);
    for (const { count, usernames } of reactions) {
      expect({ count, names: usernames.length }).toEqual({ count: 20, names: 20 });
    }
  }
}, 120_000);

test('reactions are counted correctly, however often they are added and removed, and listed with 20 names at most', async () => {
  const room = fresh('counted');
  const names = Array.from({ length: 25 }, (_, n) => fresh(`u${n}`));
  const { clients, ids } = await startCrowd(names, room, 2);
  const [kept = 0, deleted = 0] = ids;
  const react = (emoji: string, messageId: number, remove = false) => ({
    ...{ type: 'react', messageId, emoji },
    ...(remove && { remove }),
  });
  const [thumb = '', joy = '', fire = ''] = EMOJI;
  await Promise.all(
    clients.map((client, n) =>
      act(client, [
        // Reacting twice counts once, and a reaction that nobody has given cannot be removed.
        ...[react(thumb, kept), react(thumb, kept), react(fire, kept, true)],
        ...[react(joy, kept), react(joy, kept, true), react(thumb, deleted)],
        ...(n < 3 ? [react(fire, kept), react(thumb, kept, true)] : [react(joy, kept, true)]),
      ]),
    ),
  );
  const { reactions } = (await read(`/messages/${kept}`)).body;
  expect(
    reactions
      .map(({ emoji, count, usernames }: { emoji: string; count: number; usernames: string[] }) => [
        emoji,
        count,
        new Set(usernames).size,
      ])
      .sort(),
  ).toEqual([
    [thumb, 22, 20],
    [fire, 3, 3],
  ]);
  const erased = await server.request('DELETE', `/messages/${deleted}`, API_KEY);
  expect(await erased.json()).not.toHaveProperty('reactions');
  expect((await read(`/messages/${deleted}`)).body).not.toHaveProperty('reactions');
});
