import { describe, expect, test } from 'bun:test';
import { TIMING } from '../../src/ws/gateway.ts';
import { eventsOf } from '../support/event-stream.ts';
import { fresh, startServer } from '../support/server.ts';

const server = await startServer();

async function open(room: string, query = '', lastEventId?: string) {
  const leave = new AbortController();
  const response = await server.fetch(`/events?room=${room}${query}`, {
    signal: leave.signal,
    headers: lastEventId ? { 'last-event-id': lastEventId } : {},
  });
  expect(response.headers.get('content-type')).toBe('text/event-stream');
  const events = eventsOf(response);
  return {
    leave: () => leave.abort(),
    next: async () => (await events.next()).value ?? {},
    /** The `seq`s of the next so many messages; each must have its id. */
    async messages(count: number) {
      const seqs: number[] = [];
      while (seqs.length < count) {
        const event = await this.next();
        const frame = JSON.parse(event.data ?? '{}');
        expect(frame.type).toBe('message');
        expect(event.id).toBe(`${frame.rev}@${epoch.get(room)}`);
        seqs.push(frame.seq);
      }
      return seqs;
    },
  };
}

const epoch = new Map<string, string>();
const range = (from: number, to: number) =>
  Array.from({ length: to - from + 1 }, (_, n) => from + n);

async function talk(messages: number) {
  const room = fresh('room');
  const ana = await server.connect();
  ana.send({ type: 'join', username: 'ana', protocol: 1, room });
  epoch.set(room, (await ana.untilType('joined')).epoch);
  const say = async (count: number) => {
    let last = 0;
    for (let n = 0; n < count; n++)
      ana.send({ type: 'message', content: `${n}`, id: crypto.randomUUID() });
    for (let n = 0; n < count; n++) last = (await ana.untilType('ack')).seq ?? 0;
    return last;
  };
  await say(messages);
  return { room, say };
}

describe('Server-Sent Events', () => {
  test('begin with an event that has only an id, then bring the frames of protocol 1, live', async () => {
    const { room, say } = await talk(3);
    const stream = await open(room);
    expect(await stream.next()).toEqual({ id: `3@${epoch.get(room)}` });
    await say(1);
    const event = await stream.next();
    expect(Object.keys(event).sort()).toEqual(['data', 'id']);
    expect(JSON.parse(event.data ?? '')).toEqual({
      type: 'message',
      id: expect.any(Number),
      room,
      seq: 4,
      rev: 4,
      username: 'ana',
      content: '0',
      clientId: expect.any(String),
      userId: expect.any(Number),
      createdAt: expect.any(String),
    });
    stream.leave();
  });

  test('resume from `since` and from `Last-Event-ID`, which takes precedence, in any number of pages', async () => {
    const { room, say } = await talk(1200);
    const fromStart = await open(room, '&since=0');
    expect(await fromStart.next()).toEqual({ id: `0@${epoch.get(room)}` });
    expect(await fromStart.messages(1200)).toEqual(range(1, 1200));
    const resumed = await open(room, '&since=0', `1190@${epoch.get(room)}`);
    expect(await resumed.next()).toEqual({ id: `1190@${epoch.get(room)}` });
    expect(await resumed.messages(10)).toEqual(range(1191, 1200));
    await say(5);
    expect(await resumed.messages(5)).toEqual(range(1201, 1205));
    expect(await fromStart.messages(5)).toEqual(range(1201, 1205));
    fromStart.leave();
    resumed.leave();
  });

  test('with another epoch, or from the future, begin with the last ten messages', async () => {
    const { room } = await talk(30);
    for (const [query, id] of [
      ['', `5@${crypto.randomUUID()}`],
      ['', `31@${epoch.get(room)}`],
      ['&since=99', undefined],
    ] as const) {
      const stream = await open(room, query, id);
      expect(await stream.next()).toEqual({ id: `20@${epoch.get(room)}` });
      expect(await stream.messages(10)).toEqual(range(21, 30));
      stream.leave();
    }
  });

  test('lose and repeat nothing while others post', async () => {
    const { room, say } = await talk(600);
    const talking = (async () => {
      for (let n = 0; n < 20; n++) await say(50);
    })();
    const streams = [];
    for (const since of [0, 100, 550, 600])
      streams.push({ since, stream: await open(room, `&since=${since}`) });
    await talking;
    for (const { since, stream } of streams) {
      await stream.next();
      expect(await stream.messages(1600 - since)).toEqual(range(since + 1, 1600));
      stream.leave();
    }
  });

  test('a quiet stream is kept open by comments', async () => {
    const quick = await startServer(
      {},
      { timing: { ...TIMING, pingEvery: 100, pongWithin: 1000 } },
    );
    const leave = new AbortController();
    const { body } = await quick.fetch('/events', { signal: leave.signal });
    let text = '';
    for await (const chunk of (body as ReadableStream).pipeThrough(new TextDecoderStream())) {
      text += chunk;
      if (text.split('\n\n').filter((event) => event === ':').length === 3) break;
    }
    leave.abort();
  });

  test('refuse an invalid `since`, and rooms that do not exist', async () => {
    const { room } = await talk(0);
    for (const [path, headers, status] of [
      [`/events?room=${room}&since=x`, {}, 400],
      [`/events?room=${room}&since=-1`, {}, 400],
      [`/events?room=${room}`, { 'last-event-id': 'x' }, 400],
      [`/events?room=${fresh('none')}`, {}, 404],
    ] as const) {
      const response = await server.fetch(path, { headers });
      expect({ path, status: response.status }).toEqual({ path, status });
      expect(response.headers.get('content-type')).toBe('application/problem+json');
    }
  });

  test('delay nobody and miss nothing for a slow reader', async () => {
    const { room, say } = await talk(0);
    const slow = await open(room, '&since=0');
    for (let n = 0; n < 30; n++) await say(100);
    await slow.next();
    expect(await slow.messages(3000)).toEqual(range(1, 3000));
    slow.leave();
  });
});
