import { describe, expect, test } from 'bun:test';
import { clientFrames } from '../../src/protocol/client-frames.ts';
import { fresh, startServer } from '../support/server.ts';

const server = await startServer();

const long = 'x'.repeat(65);
const hostile = `'); drop table messages; -- <script>alert(1)</script> \\ "{}" \${x}`;

/** Wrong frames, by their fault; each is sent after a join. */
const refused: [what: string, frame: string | object | Uint8Array<ArrayBuffer>, code: string][] = [
  ['not JSON', 'hello', 'invalid_frame'],
  ['nothing', '', 'invalid_frame'],
  ['half of JSON', '{"type":"message"', 'invalid_frame'],
  ['an array', '[]', 'invalid_frame'],
  ['a number', '12', 'invalid_frame'],
  ['a JSON string that holds a frame', '"{\\"type\\":\\"leave\\"}"', 'invalid_frame'],
  ['true', 'true', 'invalid_frame'],
  ['null', 'null', 'invalid_frame'],
  ['a tower of arrays', '['.repeat(60_000), 'invalid_frame'],
  ['bytes that are not UTF-8', new Uint8Array([0xff, 0xfe, 0x7b]), 'invalid_frame'],
  ['no type', {}, 'invalid_frame'],
  ['a type that is no string', { type: 5 }, 'invalid_frame'],
  ['an unknown type', { type: 'shout' }, 'unknown_type'],
  ['a type that every object has', { type: 'constructor' }, 'unknown_type'],
  ['another such type', { type: '__proto__' }, 'unknown_type'],
  ['a name that is a number', { type: 'join', username: 5 }, 'invalid_frame'],
  ['a name that is null', { type: 'join', username: null }, 'invalid_frame'],
  ['an empty name', { type: 'join', username: '' }, 'invalid_frame'],
  ['a name with a space', { type: 'join', username: 'a b' }, 'invalid_frame'],
  ['a name of 33 characters', { type: 'join', username: 'x'.repeat(33) }, 'invalid_frame'],
  ['a name that begins with a dot', { type: 'join', username: '.ana' }, 'invalid_frame'],
  ['a reserved name', { type: 'join', username: 'Active' }, 'invalid_frame'],
  ['half a surrogate pair in a name', '{"type":"join","username":"a\\ud800"}', 'invalid_frame'],
  ['a NUL in a name', { type: 'join', username: 'a\0' }, 'invalid_frame'],
  ['SQL and HTML in a name', { type: 'join', username: hostile }, 'invalid_frame'],
  ['SQL and HTML in a room', { type: 'join', username: 'ana', room: hostile }, 'invalid_frame'],
  ['a room of 65 characters', { type: 'join', username: 'ana', room: long }, 'invalid_frame'],
  ['a room with an umlaut', { type: 'join', username: 'ana', room: 'küche' }, 'invalid_frame'],
  ['a room that is an object', { type: 'join', username: 'ana', room: {} }, 'invalid_frame'],
  ['a room that is reserved', { type: 'join', username: 'ana', room: 'dm:x' }, 'not_found'],
  ['another user', { type: 'join', username: 'someone-else' }, 'conflict'],
  ['an unknown field', { type: 'join', username: 'ana', admin: true }, 'invalid_frame'],
  ['a prototype', '{"type":"join","username":"ana","__proto__":{"x":1}}', 'invalid_frame'],
  ['no content', { type: 'message' }, 'invalid_frame'],
  ['empty content', { type: 'message', content: '' }, 'invalid_frame'],
  ['blank content', { type: 'message', content: ' \n\t ' }, 'invalid_frame'],
  ['content that is a number', { type: 'message', content: 1 }, 'invalid_frame'],
  ['content that is a list', { type: 'message', content: ['hi'] }, 'invalid_frame'],
  ['4,001 characters', { type: 'message', content: 'x'.repeat(4001) }, 'too_long'],
  ['4,001 emoji', { type: 'message', content: '🎉'.repeat(4001) }, 'too_long'],
  ['half a surrogate pair', '{"type":"message","content":"a\\udfff"}', 'invalid_frame'],
  ['a NUL character', { type: 'message', content: 'a\0b' }, 'invalid_frame'],
  ['an empty id', { type: 'message', content: 'hi', id: '' }, 'invalid_frame'],
  ['an id of 65 characters', { type: 'message', content: 'hi', id: long }, 'invalid_frame'],
  ['an id that is a number', { type: 'message', content: 'hi', id: 5 }, 'invalid_frame'],
  ['a NUL in an id', { type: 'message', content: 'hi', id: '\0' }, 'invalid_frame'],
  ['half a pair in an id', '{"type":"message","content":"hi","id":"\\ud83d"}', 'invalid_frame'],
  ['the name of another', { type: 'message', content: 'hi', username: 'ben' }, 'forbidden'],
  ['a room that was not joined', { type: 'message', content: 'hi', room: 'away' }, 'not_joined'],
  ['leaving such a room', { type: 'leave', room: 'away' }, 'not_joined'],
  ['leaving for another', { type: 'leave', username: 'ben' }, 'forbidden'],
];

/** The same of protocol 1, after a message of one's own whose id is in the place of `0`. */
const refusedFull: [what: string, frame: object, code: string][] = [
  ['an edit of nothing', { type: 'edit', content: 'x' }, 'invalid_frame'],
  ['an edit without content', { type: 'edit', messageId: 0 }, 'invalid_frame'],
  ['a blank edit', { type: 'edit', messageId: 0, content: ' ' }, 'invalid_frame'],
  ['a NUL in an edit', { type: 'edit', messageId: 0, content: 'a\0' }, 'invalid_frame'],
  [
    'an edit that is too long',
    { type: 'edit', messageId: 0, content: long.repeat(70) },
    'too_long',
  ],
  ['an id that is text', { type: 'delete', messageId: '1' }, 'invalid_frame'],
  ['an id that is half', { type: 'delete', messageId: 1.5 }, 'invalid_frame'],
  ['a negative id', { type: 'delete', messageId: -1 }, 'invalid_frame'],
  ['an id beyond all', { type: 'delete', messageId: 1e16 }, 'invalid_frame'],
  ['an id of no message', { type: 'delete', messageId: 9e15 }, 'not_found'],
  ['no emoji', { type: 'react', messageId: 0 }, 'invalid_frame'],
  ['a word as an emoji', { type: 'react', messageId: 0, emoji: 'thumbs up' }, 'invalid_frame'],
  ['two emoji', { type: 'react', messageId: 0, emoji: '👍👍' }, 'invalid_frame'],
  ['half an emoji', { type: 'react', messageId: 0, emoji: '\ud83d' }, 'invalid_frame'],
  ['a digit', { type: 'react', messageId: 0, emoji: '1' }, 'invalid_frame'],
  [
    'removing that is text',
    { type: 'react', messageId: 0, emoji: '👍', remove: 'no' },
    'invalid_frame',
  ],
  ['a seq that is text', { type: 'read', seq: 'all' }, 'invalid_frame'],
  ['a negative seq', { type: 'read', seq: -1 }, 'invalid_frame'],
  ['reading in no room', { type: 'read', seq: 1, room: 'nowhere-at-all' }, 'not_found'],
  ['a reply to text', { type: 'message', content: 'x', replyTo: 'that' }, 'invalid_frame'],
  ['a reply to nothing', { type: 'message', content: 'x', replyTo: 9e15 }, 'not_found'],
  ['a message to a number', { type: 'message', content: 'x', to: 5 }, 'invalid_frame'],
  ['a message to SQL', { type: 'message', content: 'x', to: hostile }, 'invalid_frame'],
];

describe('wrong input over WebSocket', () => {
  test('a room that was not joined is answered with the join that is missing', async () => {
    const [username, room] = [fresh('ben'), fresh('room')];
    const ben = await server.enter(username, fresh('room'));
    ben.send({ type: 'message', room, content: 'hi' });
    const { code, content } = await ben.untilType('error');
    expect(code).toBe('not_joined');
    const join = content.slice(content.indexOf('{'));
    expect(JSON.parse(join)).toEqual({ type: 'join', username, room });
    ben.send(join);
    expect(await ben.untilType('joined')).toMatchObject({ room });
  });

  test('each kind of it in protocol 1 gets the named error, and harms nothing', async () => {
    const room = fresh('room');
    let ana = await server.enter('ana', room);
    ana.send({ type: 'message', content: 'as it was', id: 'm' });
    const { messageId } = await ana.untilType('ack');
    for (const [n, [what, frame, code]] of refusedFull.entries()) {
      if (n % 15 === 14) ana = await server.enter('ana', room);
      ana.send({ ...frame, ...('messageId' in frame && frame.messageId === 0 && { messageId }) });
      const reply = await ana.untilType('error');
      expect({ what, ...reply }).toMatchObject({ what, type: 'error', code });
      expect(reply.content.length).toBeGreaterThan(10);
    }
    const stored = await (await server.fetch(`/messages?room=${room}`)).json();
    expect(stored).toMatchObject([{ content: 'as it was', rev: 1 }]);
  });

  test('before a join, messages and leaves are refused', async () => {
    const client = await server.connect();
    for (const type of ['message', 'leave']) {
      client.send({ type, ...(type === 'message' && { content: 'hi' }), id: type });
      expect(await client.next()).toMatchObject({ type: 'error', code: 'not_joined', id: type });
    }
    await client.close();
  });

  test('each kind gets the named error, a sentence, and harms nothing', async () => {
    const room = fresh('room');
    const witness = await server.join('witness', room);
    let ana = await server.join('ana', room);
    await witness.expect('system');
    for (const [n, [what, frame, code]] of refused.entries()) {
      // Twenty in a minute are too many for one connection.
      if (n % 15 === 14) {
        const next = await server.join('ana', room);
        await ana.close();
        ana = next;
      }
      ana.send(frame);
      const reply = await ana.next();
      expect({ what, ...reply }).toMatchObject({ what, type: 'error', code });
      expect('content' in reply && reply.content.length).toBeGreaterThan(10);
    }
    ana.send({ type: 'message', content: 'still here' });
    expect(await ana.expect('message')).toMatchObject({ content: 'still here', seq: 1 });
    expect(await witness.expect('message')).toMatchObject({ content: 'still here' });
    expect(await witness.settle()).toEqual([]);
  });

  test('an error carries the id of its frame', async () => {
    const client = await server.connect();
    for (const frame of [
      { type: 'nope', id: 'a' },
      { type: 'join', id: 'b' },
      { type: 'message', content: 'hi', extra: 1, id: 'c' },
      { id: 'd' },
    ]) {
      client.send(frame);
      expect(await client.expect('error')).toMatchObject({ id: frame.id });
    }
    client.send({ type: 'nope' });
    expect(await client.expect('error')).not.toHaveProperty('id');
  });

  test('hostile text in the content and the id is stored and shown unchanged', async () => {
    const room = fresh('room');
    const ana = await server.join('ana', room);
    const contents = [
      hostile,
      '{NULL}',
      'NULL',
      '\\',
      '"',
      "'",
      '{"a",b}',
      '\u202e\u0007🎉',
      ' x ',
    ];
    for (const content of contents) {
      ana.send({ type: 'message', content, id: content.trim().slice(0, 64) });
      const frames = [await ana.next(), await ana.next()];
      expect(frames.find(({ type }) => type === 'message')).toMatchObject({ content });
      expect(frames.find(({ type }) => type === 'ack')).toMatchObject({
        id: content.trim().slice(0, 64),
      });
    }
    const stored = await (await server.fetch(`/messages?room=${room}`)).json();
    expect(stored.map(({ content }: { content: string }) => content)).toEqual(contents);
  });

  test('4,000 characters pass, also when each takes two units of UTF-16', async () => {
    const ana = await server.join('ana', fresh('room'));
    for (const content of ['x'.repeat(4000), '🎉'.repeat(4000)]) {
      ana.send({ type: 'message', content });
      expect(await ana.expect('message')).toMatchObject({ content });
    }
  });

  test('a frame over 64 KiB closes its connection with 1009, and no other', async () => {
    const room = fresh('room');
    const ben = await server.join('ben', room);
    const ana = await server.join('ana', room);
    ana.send({ type: 'message', content: 'x'.repeat(65 * 1024) });
    expect(await ana.closed).toMatchObject({ code: 1009 });
    expect(await ben.untilType('system')).toMatchObject({ content: 'ana joined the chat' });
    expect(await ben.untilType('system')).toMatchObject({ content: 'ana left the chat' });
    ben.send({ type: 'message', content: 'on' });
    expect(await ben.expect('message')).toMatchObject({ content: 'on' });
  });

  test('a client that sends far too much gets errors, while others chat on', async () => {
    const room = fresh('room');
    const ben = await server.join('ben', room);
    const flood = await server.connect();
    // All of them wait behind the join.
    flood.send({ type: 'join', username: 'flood', room });
    const content = 'x'.repeat(4000);
    for (let n = 0; n < 2000; n++) flood.send({ type: 'message', content, id: `${n}` });
    const refusal = await flood.untilType('error');
    expect(refusal).toMatchObject({ code: 'overloaded', id: expect.any(String) });
    ben.send({ type: 'message', content: 'still talking' });
    await ben.until((frame) => frame.type === 'message' && frame.content === 'still talking');
    await flood.close();
  });

  test('every example of the server is valid', async () => {
    const room = fresh('room');
    const ana = await server.connect();
    for (const type of ['join', 'message', 'leave'] as const) {
      for (const example of clientFrames[type].examples as object[]) {
        ana.send({ ...example, username: 'ana', room });
        if (type !== 'leave') expect((await ana.next()).type).not.toBe('error');
      }
    }
    expect(await ana.settle()).toEqual([]);
  });
});
