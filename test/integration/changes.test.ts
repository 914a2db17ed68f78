import { describe, expect, test } from 'bun:test';
import { sql } from 'drizzle-orm';
import { rows } from '../../src/db/index.ts';
import type { Client } from '../support/client.ts';
import { API_KEY } from '../support/people.ts';
import { join } from '../support/protocol-1.ts';
import { fresh, sharedDatabase, startServer } from '../support/server.ts';
import { say, threeClients, updates } from '../support/three-clients.ts';

const server = await startServer({ apiKey: API_KEY });
const time = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);

describe('a posted message', () => {
  test('is edited by its author, and everyone sees its new state', async () => {
    const { ana, room, phone, laptop, other, everyone } = await threeClients(server);
    const messageId = await say(phone, everyone, { data: { mood: 1 }, id: 'm' });
    laptop.send({ type: 'edit', messageId, content: 'hello all', id: 'e' });
    const shown = await updates(everyone);
    for (const update of shown) {
      expect(update).toEqual({
        type: 'update',
        id: messageId,
        room,
        seq: 1,
        rev: 2,
        userId: expect.any(Number),
        username: ana,
        content: 'hello all',
        createdAt: time,
        data: { mood: 1 },
        editedAt: time,
        clientId: 'm',
      });
    }
    expect(await laptop.untilType('ack')).toEqual({
      type: 'ack',
      id: 'e',
      room,
      messageId,
      rev: 2,
    });
    other.send({ type: 'edit', messageId, content: 'mine', id: 'x' });
    expect(await other.untilType('error')).toMatchObject({ code: 'forbidden', id: 'x' });
    phone.send({ type: 'message', content: 'next' });
    expect(await other.untilType('message')).toMatchObject({ seq: 3, rev: 3 });
  });

  test('is deleted: its `seq` stays, and none of its content is in the database', async () => {
    const { room, phone, other, everyone } = await threeClients(server);
    const secret = `secret${crypto.randomUUID().replaceAll('-', '')}`;
    const messageId = await say(phone, everyone, { content: secret, data: { secret }, id: secret });
    other.send({ type: 'react', messageId, emoji: '👍' });
    await updates(everyone);
    phone.send({ type: 'edit', messageId, content: `${secret} again` });
    await updates(everyone);
    phone.send({ type: 'delete', messageId, id: 'd' });
    const [shown] = await updates(everyone);
    expect(shown).toEqual({
      ...shown,
      type: 'update',
      id: messageId,
      seq: 1,
      rev: 4,
      content: '',
      deletedAt: time,
    } as never);
    for (const gone of ['data', 'reactions', 'mentions']) expect(shown).not.toHaveProperty(gone);
    const { db } = await sharedDatabase();
    // But for the id, which the client chose.
    const found = await rows<{ row: string }>(
      db,
      sql`select (to_jsonb(m) - 'client_id')::text as row from messages m where id = ${messageId}`,
    );
    expect(found[0]?.row).not.toContain(secret);
    const digest = new Bun.CryptoHasher('sha256').update(secret).digest('hex');
    expect(found[0]?.row).not.toContain(digest);
    const left = await rows(db, sql`select from reactions where message_id = ${messageId}`);
    expect(left).toEqual([]);
    // Sent again, the message is still the stored one, which is deleted.
    phone.send({ type: 'message', content: secret, id: secret });
    expect(await phone.untilType('ack')).toMatchObject({ id: 'd', rev: 4 });
    expect(await phone.untilType('ack')).toMatchObject({ id: secret, messageId, seq: 1 });
    const history = await server.fetch(`/messages?room=${room}`);
    expect(await history.json()).toMatchObject([{ id: messageId, content: '', deletedAt: time }]);
  });

  test('is reacted to by many users, with at most twenty different emoji', async () => {
    const { ana, ben, phone, other, everyone } = await threeClients(server);
    const messageId = await say(phone, everyone);
    const react = async (client: Client, emoji: string, remove?: boolean) => {
      client.send({ type: 'react', messageId, emoji, remove });
      return (await updates(everyone))[0]?.reactions;
    };
    expect(await react(other, '👍')).toEqual([{ emoji: '👍', count: 1, usernames: [ben] }]);
    expect(await react(phone, '👍')).toEqual([{ emoji: '👍', count: 2, usernames: [ben, ana] }]);
    // With and without the selector of its coloured form it is one.
    expect(await react(phone, '❤')).toHaveLength(2);
    expect(await react(other, '❤️')).toMatchObject([{ emoji: '👍' }, { emoji: '❤️', count: 2 }]);
    expect(await react(other, '👍', true)).toMatchObject([{ usernames: [ana] }, { count: 2 }]);
    const more = [...'🍎🍐🍊🍋🍌🍉🍇🍓🫐🍈🍒🍑🥭🍍🥥🥝🍅🍆'];
    let last: unknown;
    for (const emoji of more) last = await react(phone, emoji);
    expect(last).toHaveLength(20);
    phone.send({ type: 'react', messageId, emoji: '🥑', id: 'full' });
    expect(await phone.untilType('error')).toMatchObject({ code: 'conflict', id: 'full' });
    expect(await react(other, '🍆')).toMatchObject(
      [...Array(19), { count: 2 }].map((r) => r ?? {}),
    );

    const crowd = await Promise.all(
      Array.from({ length: 25 }, () => server.enter(fresh('fan'), fresh('elsewhere'))),
    );
    for (const fan of crowd) fan.send({ type: 'react', messageId, emoji: '👍' });
    for (const fan of crowd) await fan.settle();
    phone.send({ type: 'react', messageId, emoji: '👍', remove: true });
    const final = await phone.until(
      (frame) => frame.type === 'update' && frame.reactions?.at(-1)?.count === 25,
    );
    expect(final).toMatchObject({ reactions: { length: 20 } });
    const fans = 'reactions' in final ? final.reactions?.at(-1) : undefined;
    expect(fans).toMatchObject({ emoji: '👍', count: 25 });
    expect(fans?.usernames).toHaveLength(20);
    for (const fan of crowd) await fan.close();
  });

  test('a change without effect takes no rev and shows nothing', async () => {
    const { room, phone, laptop, other, everyone } = await threeClients(server);
    const messageId = await say(phone, everyone);
    const ack = async (frame: object, rev: number) => {
      phone.send({ ...frame, messageId, id: 'same' });
      expect(await phone.untilType('ack')).toEqual({
        type: 'ack',
        id: 'same',
        room,
        messageId,
        rev,
      });
    };
    await ack({ type: 'edit', content: 'hello' }, 1);
    await ack({ type: 'react', emoji: '👍', remove: true }, 1);
    await ack({ type: 'react', emoji: '👍' }, 2);
    await ack({ type: 'react', emoji: '👍' }, 2);
    await ack({ type: 'delete' }, 3);
    await ack({ type: 'delete' }, 3);
    for (const frame of [
      { type: 'edit', content: 'back' },
      { type: 'react', emoji: '👍' },
    ]) {
      phone.send({ ...frame, messageId, id: 'gone' });
      expect(await phone.untilType('error')).toMatchObject({ code: 'not_found', id: 'gone' });
    }
    for (const client of [laptop, other]) {
      const seen = (await client.settle()).filter(({ type }) => type === 'update');
      expect(seen.map((frame) => 'rev' in frame && frame.rev)).toEqual([2, 3]);
    }
  });

  test('is edited, deleted and reacted to over REST with the same result', async () => {
    const { ana, ben, room, everyone } = await threeClients(server);
    const author = fresh('author');
    const token = await server.register(author);
    const stranger = await server.register(fresh('stranger'));
    const posted = await server.request('POST', '/messages', token, {
      username: author,
      room,
      content: 'over REST',
    });
    const { id } = await posted.json();
    const call = async (method: string, path: string, by?: string, body?: object) => {
      const response = await server.request(method, `/messages/${id}${path}`, by, body);
      return [response.status, await response.json()] as const;
    };
    expect(await call('PATCH', '', token, { content: 'edited' })).toMatchObject([
      200,
      { id, seq: 1, rev: 2, content: 'edited', editedAt: time },
    ]);
    expect(await call('PUT', `/reactions/${encodeURIComponent('👍')}`, token)).toMatchObject([
      200,
      { rev: 3, reactions: [{ emoji: '👍', count: 1, usernames: [author] }] },
    ]);
    expect(
      await call('PUT', `/reactions/${encodeURIComponent('👍')}?username=${ben}`, API_KEY),
    ).toMatchObject([200, { rev: 4, reactions: [{ count: 2 }] }]);
    expect(
      await call('DELETE', `/reactions/${encodeURIComponent('👍')}?username=${ben}`),
    ).toMatchObject([200, { rev: 5, reactions: [{ count: 1 }] }]);
    expect(await call('PATCH', '', stranger, { content: 'mine' })).toMatchObject([403, {}]);
    expect(await call('PATCH', `?username=${ana}`, undefined, { content: 'x' })).toMatchObject([
      403,
      {},
    ]);
    expect(await call('DELETE', '', undefined)).toMatchObject([401, { code: 'unauthorized' }]);
    expect(await call('PUT', '/reactions/thumbs', token)).toMatchObject([400, {}]);
    expect(await call('DELETE', '', API_KEY)).toMatchObject([200, { rev: 6, deletedAt: time }]);
    const shown = (await (everyone[0] as Client).settle()).filter(({ type }) => type === 'update');
    expect(shown.map((frame) => 'rev' in frame && frame.rev)).toEqual([2, 3, 4, 5, 6]);
    expect(await (await server.fetch('/messages/4000000000')).json()).toMatchObject({
      code: 'not_found',
    });
  });

  test('is edited over REST by the same guest', async () => {
    const { ana, phone, everyone } = await threeClients(server);
    const id = await say(phone, everyone);
    const path = `/messages/${id}?username=${ana}`;
    const edited = await server.request('PATCH', path, undefined, { content: 'mine' });
    expect(await edited.json()).toMatchObject({ content: 'mine', rev: 2 });
  });

  test('is compared in its first version with a resent post, even after edits', async () => {
    const { phone, everyone } = await threeClients(server);
    const messageId = await say(phone, everyone, { id: 'once' });
    for (const content of ['second', 'third']) phone.send({ type: 'edit', messageId, content });
    phone.send({ type: 'message', content: 'hello', id: 'once' });
    expect(await phone.untilType('ack')).toMatchObject({ id: 'once', messageId, seq: 1 });
    phone.send({ type: 'message', content: 'third', id: 'once' });
    expect(await phone.untilType('error')).toMatchObject({ code: 'conflict', id: 'once' });
  });

  test('is answered by a reply, which names a message of the same room', async () => {
    const { room, phone, other, everyone } = await threeClients(server);
    const replyTo = await say(phone, everyone);
    await say(other, everyone, { content: 'yes?', replyTo, id: 'r' });
    expect(await other.untilType('ack')).toMatchObject({ seq: 2 });
    const found = await (await server.fetch(`/messages?room=${room}`)).json();
    expect(found).toMatchObject([{ id: replyTo }, { content: 'yes?', replyTo }]);
    const elsewhere = await server.enter(fresh('x'), fresh('room'));
    elsewhere.send({ type: 'message', content: 'no', replyTo, id: 'n' });
    expect(await elsewhere.untilType('error')).toMatchObject({ code: 'not_found', id: 'n' });
    const posted = await server.post('/messages', {
      username: fresh('x'),
      room,
      content: 'x',
      replyTo: 4_000_000_000,
    });
    expect(posted.status).toBe(404);
    for (const content of ['otherwise', 'yes?']) {
      other.send({
        type: 'message',
        content,
        replyTo: content === 'yes?' ? undefined : replyTo,
        id: 'r',
      });
      expect(await other.untilType('error')).toMatchObject({ code: 'conflict', id: 'r' });
    }
  });

  test('protocol 0 sees no changes, and its last ten messages are ten that are not deleted', async () => {
    const { room, phone, everyone } = await threeClients(server);
    const basic = await server.join(fresh('basic'), room);
    const ids: number[] = [];
    for (let n = 1; n <= 25; n++) ids.push(await say(phone, everyone, { content: `m${n}` }));
    for (const messageId of ids.slice(10, 23)) phone.send({ type: 'delete', messageId });
    phone.send({ type: 'edit', messageId: ids[9], content: 'm10 edited' });
    await phone.settle();
    const types = (await basic.settle()).map(({ type }) => type);
    expect(types.filter((type) => type !== 'message' && type !== 'system')).toEqual([]);
    const late = await server.join(fresh('late'), room);
    const shown = (await late.settle()).flatMap((frame) =>
      frame.type === 'message' ? [frame.content] : [],
    );
    const wanted = [3, 4, 5, 6, 7, 8, 9].map((n) => `m${n}`);
    expect(shown).toEqual([...wanted, 'm10 edited', 'm24', 'm25']);
    basic.send({ type: 'edit', messageId: ids[0], content: 'x' });
    expect(await basic.untilType('error')).toMatchObject({ code: 'unknown_type' });
  });
});

test('a room that was just opened shows ten messages even after one of them is deleted', async () => {
  const { ana, room, phone, everyone } = await threeClients(server);
  const ids: number[] = [];
  for (let n = 1; n <= 15; n++) ids.push(await say(phone, everyone, { content: `m${n}` }));
  const cold = await startServer();
  const again = await cold.enter(ana, room);
  again.send({ type: 'delete', messageId: ids[14] });
  // A message older than the ones that were read is none of the newest.
  again.send({ type: 'edit', messageId: ids[0], content: 'm1 edited' });
  await again.untilType('update');
  await again.untilType('update');
  const { messages } = await join(await cold.connect(), room, { username: fresh('late') });
  const wanted = [5, 6, 7, 8, 9, 10, 11, 12, 13, 14].map((n) => `m${n}`);
  expect(messages.map(({ content }) => content)).toEqual(wanted);
});
