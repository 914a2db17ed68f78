import { describe, expect, test } from 'bun:test';
import { fresh, startServer } from '../support/server.ts';

const server = await startServer();
const timestamp = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);

describe('the basic chat', () => {
  test('a joiner is welcomed and gets the last ten messages, and the others are notified', async () => {
    const room = fresh('room');
    const ana = await server.join('ana', room);
    for (let n = 1; n <= 12; n++) {
      ana.send({ type: 'message', content: `m${n}` });
      await ana.expect('message');
    }

    const ben = await server.connect();
    ben.send({ type: 'join', username: 'ben', room });
    expect(await ben.next()).toEqual({
      type: 'system',
      room,
      content: 'Welcome ben!',
      event: 'welcome',
      username: 'ben',
      timestamp,
    });
    for (let n = 3; n <= 12; n++) {
      expect(await ben.expect('message')).toMatchObject({ content: `m${n}`, seq: n });
    }
    expect(await ben.settle()).toEqual([]);
    expect(await ana.next()).toEqual({
      type: 'system',
      room,
      content: 'ben joined the chat',
      event: 'joined',
      username: 'ben',
      timestamp,
    });
  });

  test('a message reaches everyone in the room, its sender too, with these fields and no others', async () => {
    const room = fresh('room');
    const ana = await server.join('ana', room);
    const ben = await server.join('ben', room);
    await ana.expect('system');
    ana.send({ type: 'message', username: 'ana', content: 'hi' });
    const seen = await ben.next();
    expect(seen).toEqual({
      type: 'message',
      id: expect.any(Number),
      room,
      seq: 1,
      username: 'ana',
      content: 'hi',
      timestamp,
    });
    expect(await ana.next()).toEqual(seen);
    // Without an id there is no ack.
    expect(await ana.settle()).toEqual([]);
  });

  test('a message with an id is acknowledged', async () => {
    const room = fresh('room');
    const ana = await server.join('ana', room);
    ana.send({ type: 'message', content: 'hi', id: 'm1' });
    const frames = [await ana.next(), await ana.next()];
    const message = frames.find((frame) => frame.type === 'message') as {
      id: number;
      timestamp: string;
    };
    expect(frames.find((frame) => frame.type === 'ack')).toEqual({
      type: 'ack',
      id: 'm1',
      room,
      messageId: message.id,
      seq: 1,
      timestamp: message.timestamp,
    });
  });

  test('a repeated id returns the first ack and shows nothing new; with other content it is a conflict (delivery rule 5)', async () => {
    const room = fresh('room');
    const [ana, tab, ben] = [
      await server.join('ana', room),
      await server.join('ana', room),
      await server.join('ben', room),
    ];
    ana.send({ type: 'message', content: 'once', id: 'same' });
    ana.send({ type: 'message', content: 'once', id: 'same' });
    const first = await ana.untilType('ack');
    expect(await ana.untilType('ack')).toEqual(first);
    tab.send({ type: 'message', content: 'once', id: 'same' });
    expect(await tab.untilType('ack')).toEqual(first);
    tab.send({ type: 'message', content: 'twice', id: 'same' });
    expect(await tab.untilType('error')).toMatchObject({ code: 'conflict', id: 'same' });
    // The id is the sender's own.
    ben.send({ type: 'message', content: 'ben says', id: 'same' });
    expect(await ben.untilType('ack')).toMatchObject({ seq: 2 });
    const contents = ben.received.flatMap((frame) =>
      frame.type === 'message' ? [frame.content] : [],
    );
    expect(contents).toEqual(['once', 'ben says']);
  });

  test('messages sent without waiting are stored and shown in the order sent (delivery rule 8)', async () => {
    const room = fresh('room');
    const ana = await server.connect();
    ana.send({ type: 'join', username: 'ana', room });
    for (let n = 0; n < 2000; n++) ana.send({ type: 'message', content: `${n}`, id: `${n}` });
    const contents: string[] = [];
    const acked: number[] = [];
    while (contents.length < 2000 || acked.length < 2000) {
      const frame = await ana.next();
      if (frame.type === 'message') contents.push(frame.content);
      if (frame.type === 'ack') acked.push(frame.seq ?? 0);
      if (frame.type === 'error') throw new Error(JSON.stringify(frame));
    }
    expect(contents).toEqual(Array.from({ length: 2000 }, (_, n) => `${n}`));
    expect(acked).toEqual(Array.from({ length: 2000 }, (_, n) => n + 1));
  });

  test('a message sent just before the connection closed is stored', async () => {
    const room = fresh('room');
    const ben = await server.join('ben', room);
    const ana = await server.connect();
    ana.send({ type: 'join', username: 'ana', room });
    ana.send({ type: 'message', content: 'bye' });
    ana.socket.close();
    expect(await ben.untilType('message')).toMatchObject({ content: 'bye', username: 'ana' });
    expect(await ben.untilType('system')).toMatchObject({ content: 'ana left the chat' });
  });

  test('the room defaults to the only one that the connection is in, else general', async () => {
    const [one, two] = [fresh('room'), fresh('room')];
    const ana = await server.join('ana', one);
    ana.send({ type: 'message', content: 'in the only room' });
    expect(await ana.expect('message')).toMatchObject({ room: one });
    ana.send({ type: 'join', username: 'ana', room: two });
    await ana.expect('system');
    ana.send({ type: 'message', content: 'where?', id: 'x' });
    expect(await ana.expect('error')).toMatchObject({ code: 'not_joined', id: 'x' });
    ana.send({ type: 'join', username: 'ana' });
    await ana.until((frame) => frame.type === 'system' && frame.room === 'general');
    ana.send({ type: 'message', content: 'in general', id: 'y' });
    expect(await ana.untilType('ack')).toMatchObject({ room: 'general' });
    await ana.close();
  });

  test('a connection in several rooms gets the messages of each and of no other', async () => {
    const [one, two, three] = [fresh('room'), fresh('room'), fresh('room')];
    const ana = await server.join('ana', one);
    ana.send({ type: 'join', username: 'ana', room: two });
    await ana.expect('system');
    const ben = await server.join('ben', three);
    for (const room of [two, one]) {
      ben.send({ type: 'join', username: 'ben', room });
      ben.send({ type: 'message', content: room, room });
    }
    ben.send({ type: 'message', content: 'elsewhere', room: three });
    await ben.until((frame) => frame.type === 'message' && frame.content === 'elsewhere');
    const frames = await ana.settle();
    for (const type of ['system', 'message']) {
      const rooms = frames.flatMap((frame) =>
        frame.type === type && 'room' in frame ? [frame.room] : [],
      );
      expect(rooms).toEqual([two, one]);
    }
  });

  test('names and rooms are found whatever their case, and shown as first registered', async () => {
    const name = `Änne_${fresh('x')}`;
    const room = fresh('room');
    const first = await server.join(name, room);
    const second = await server.connect();
    second.send({
      type: 'join',
      username: name.toUpperCase().normalize('NFD'),
      room: room.toUpperCase(),
    });
    expect(await second.expect('system')).toMatchObject({ content: `Welcome ${name}!`, room });
    second.send({ type: 'message', username: name.toLowerCase(), content: 'hi' });
    expect(await first.expect('message')).toMatchObject({ username: name });
  });

  test('joining a room again brings its messages again, and nothing to the others', async () => {
    const room = fresh('room');
    const ben = await server.join('ben', room);
    const ana = await server.join('ana', room);
    await ben.expect('system');
    ana.send({ type: 'message', content: 'hi' });
    await ana.expect('message');
    ana.send({ type: 'join', username: 'ana', room });
    expect(await ana.expect('system')).toMatchObject({ content: 'Welcome ana!' });
    expect(await ana.expect('message')).toMatchObject({ content: 'hi' });
    ana.send({ type: 'message', content: 'once' });
    await ana.expect('message');
    expect(await ana.settle()).toEqual([]);
    expect((await ben.settle()).map(({ type }) => type)).toEqual(['message', 'message']);
    ana.send({ type: 'leave', room });
    expect(await ben.expect('system')).toMatchObject({ content: 'ana left the chat' });
  });

  test('a binary frame that holds JSON is handled like a text frame', async () => {
    const room = fresh('room');
    const ana = await server.connect();
    const bytes = (frame: object) => new TextEncoder().encode(JSON.stringify(frame));
    ana.send(bytes({ type: 'join', username: 'ana', room }));
    expect(await ana.expect('system')).toMatchObject({ content: 'Welcome ana!' });
    ana.send(bytes({ type: 'message', content: 'grüße 🎉' }));
    expect(await ana.expect('message')).toMatchObject({ content: 'grüße 🎉' });
  });

  test('a client that joins while others chat misses nothing and gets nothing twice', async () => {
    const room = fresh('room');
    const ana = await server.join('ana', room);
    const total = 1500;
    let sent = 0;
    const talk = () => {
      for (let n = 0; n < 25 && sent < total; n++) {
        sent += 1;
        ana.send({ type: 'message', content: `${sent}` });
      }
    };
    ana.socket.addEventListener('message', () => {
      if (ana.received.length % 25 === 0) talk();
    });
    talk();
    const joiners = [];
    for (let n = 0; n < 20; n++) joiners.push(await server.join(`joiner${n}`, room));
    for (const joiner of joiners) {
      await joiner.until((frame) => frame.type === 'message' && frame.seq === total);
      const seqs = joiner.received.flatMap((frame) =>
        frame.type === 'message' ? [frame.seq] : [],
      );
      const first = seqs[0] as number;
      expect(seqs).toEqual(Array.from({ length: total - first + 1 }, (_, n) => first + n));
    }
  });
});
