import { describe, expect, test } from 'bun:test';
import { deflateRawSync, inflateRawSync } from 'node:zlib';
import { OPCODE, RawWebSocket, rawFrame } from '../support/raw-frames.ts';
import { startServer } from '../support/server.ts';

const server = await startServer();
const compressing = await startServer({ compression: true });
const MAX = 64 * 1024;

/** A frame of the chat that is answered, as many bytes long as is said. */
const ping = (id: string, length = 0) => {
  const text = JSON.stringify({ type: 'ping', id });
  return `${text}${' '.repeat(Math.max(0, length - text.length))}`;
};

const { text, binary, continuation, close } = OPCODE;
const part = (opcode: number, payload: string | Uint8Array) =>
  rawFrame(opcode, payload, { fin: false });

/** Sends bytes, and expects the connection to be served still. */
async function isAnswered(bytes: Uint8Array[], id = 'a'): Promise<void> {
  const raw = await RawWebSocket.open(server.url);
  for (const each of bytes) raw.write(each);
  for (;;) {
    const frame = await raw.next();
    expect(frame).toBeDefined();
    if (frame?.opcode !== text) continue;
    expect(JSON.parse(frame.payload.toString())).toMatchObject({ type: 'pong', id });
    break;
  }
  raw.destroy();
}

/** Sends bytes, and expects the connection to be ended; frames before the fault may be answered. */
async function isEnded(bytes: Uint8Array[], codes?: number[]): Promise<void> {
  const raw = await RawWebSocket.open(server.url);
  for (const each of bytes) raw.write(each);
  const code = await raw.ended();
  if (codes && code !== undefined) expect(codes).toContain(code);
  raw.destroy();
}

describe('1: messages of every length are accepted, as text and as binary', () => {
  for (const length of [0, 125, 126, 127, 128, 65_535, MAX]) {
    for (const opcode of [text, binary]) {
      test(`${length} bytes, ${opcode === text ? 'text' : 'binary'}`, () =>
        isAnswered([rawFrame(opcode, ping('a', length))]));
    }
  }
  test('an empty message gets an error, and the connection stays open', async () => {
    const raw = await RawWebSocket.open(server.url);
    raw.write(rawFrame(text, ''));
    expect((await raw.next())?.payload.toString()).toContain('invalid_frame');
    raw.destroy();
  });
});

describe('2: pings and pongs', () => {
  for (const length of [0, 5, 125]) {
    test(`a ping of ${length} bytes is answered with the same`, async () => {
      const raw = await RawWebSocket.open(server.url);
      const payload = Buffer.alloc(length, 0xfe);
      raw.write(rawFrame(OPCODE.ping, payload));
      expect(await raw.next()).toMatchObject({ opcode: OPCODE.pong, payload, fin: true });
      raw.destroy();
    });
  }
  test('a ping of 126 bytes ends the connection', () =>
    isEnded([rawFrame(OPCODE.ping, Buffer.alloc(126))]));
  test('unsolicited pongs are ignored', () =>
    isAnswered([rawFrame(OPCODE.pong), rawFrame(OPCODE.pong, 'x'), rawFrame(text, ping('a'))]));
  test('ten pings in one write are all answered, in their order', async () => {
    const raw = await RawWebSocket.open(server.url);
    raw.write(Buffer.concat(Array.from({ length: 10 }, (_, n) => rawFrame(OPCODE.ping, `${n}`))));
    for (let n = 0; n < 10; n++) expect((await raw.next())?.payload.toString()).toBe(`${n}`);
    raw.destroy();
  });
});

describe('3 and 4: reserved bits and opcodes end the connection', () => {
  for (const rsv of [1, 2, 3, 4, 5, 6, 7]) {
    test(`the reserved bits ${rsv}, without an extension`, () =>
      isEnded([rawFrame(text, ping('a'), { rsv })], [1002]));
  }
  for (const opcode of [3, 4, 5, 6, 7, 11, 12, 13, 14, 15]) {
    test(`the opcode ${opcode}`, () => isEnded([rawFrame(opcode, 'x')], [1002]));
  }
  test('a frame without a mask', () =>
    isEnded([rawFrame(text, ping('a'), { isMasked: false })], [1002]));
});

describe('5: fragments', () => {
  const [one, two] = [ping('a').slice(0, 7), ping('a').slice(7)];
  test('make one message', () => isAnswered([part(text, one), rawFrame(continuation, two)]));
  test('may be empty', () =>
    isAnswered([part(text, ''), part(continuation, ''), rawFrame(continuation, ping('a'))]));
  test('may have pings between them', async () => {
    const raw = await RawWebSocket.open(server.url);
    raw.write(
      Buffer.concat([part(text, one), rawFrame(OPCODE.ping, 'p'), rawFrame(continuation, two)]),
    );
    expect(await raw.next()).toMatchObject({ opcode: OPCODE.pong });
    expect((await raw.next())?.payload.toString()).toContain('"pong"');
    raw.destroy();
  });
  test('of one byte each make one message', () =>
    isAnswered([
      part(text, '{'),
      ...[...ping('a').slice(1)].map((byte) => part(continuation, byte)),
      rawFrame(continuation),
    ]));
  for (const [what, frames] of [
    ['of a ping', [part(OPCODE.ping, 'x')]],
    ['of a pong', [part(OPCODE.pong, 'x')]],
    ['of a close', [part(close, '')]],
    ['that continue nothing', [rawFrame(continuation, 'x')]],
    ['that continue nothing and are not the last', [part(continuation, 'x')]],
    ['after the last', [rawFrame(text, ping('a')), rawFrame(continuation, 'x')]],
    ['among which another message begins', [part(text, one), rawFrame(text, ping('b'))]],
    ['among which binary begins', [part(text, one), part(binary, 'x')]],
  ] as const) {
    test(`${what} end the connection`, () => isEnded([...frames], [1002]));
  }
});

describe('6: text is UTF-8', () => {
  const quoted = (bytes: number[]) => [
    Buffer.from('{"type":"ping","id":"a","sentAt":"'),
    Buffer.from(bytes),
    Buffer.from('"}'),
  ];
  for (const [what, bytes] of [
    ['two bytes', [0xc3, 0xa4]],
    ['three bytes', [0xe2, 0x82, 0xac]],
    ['four bytes', [0xf0, 0x9f, 0x91, 0x8d]],
    ['the last code point', [0xf4, 0x8f, 0xbf, 0xbf]],
    ['a non-character', [0xef, 0xbf, 0xbe]],
  ] as const) {
    test(`${what} are accepted, whole and cut into bytes`, async () => {
      const payload = Buffer.concat(quoted([...bytes]));
      await isAnswered([rawFrame(text, payload)]);
      await isAnswered([
        part(text, payload.subarray(0, 1)),
        ...[...payload.subarray(1)].map((byte) => part(continuation, Buffer.from([byte]))),
        rawFrame(continuation),
      ]);
    });
  }
  for (const [what, bytes] of [
    ['a continuation byte alone', [0x80]],
    ['a lead byte alone', [0xc3]],
    ['an overlong slash', [0xc0, 0xaf]],
    ['an overlong NUL', [0xe0, 0x80, 0x80]],
    ['half a surrogate pair', [0xed, 0xa0, 0x80]],
    ['a surrogate pair', [0xed, 0xa0, 0xbd, 0xed, 0xb1, 0x8d]],
    ['beyond the last code point', [0xf4, 0x90, 0x80, 0x80]],
    ['five bytes', [0xf8, 0x88, 0x80, 0x80, 0x80]],
    ['0xFF', [0xff]],
  ] as const) {
    test(`${what} ends the connection as text, and is refused as binary`, async () => {
      const payload = Buffer.concat(quoted([...bytes]));
      await isEnded([rawFrame(text, payload)], [1007]);
      await isEnded([part(text, payload), rawFrame(continuation)], [1007]);
      const raw = await RawWebSocket.open(server.url);
      raw.write(rawFrame(binary, payload));
      expect((await raw.next())?.payload.toString()).toContain('invalid_frame');
      raw.destroy();
    });
  }
});

describe('7: closes', () => {
  const closing = (code: number, reason: string | Uint8Array = '') =>
    Buffer.concat([Buffer.from([code >> 8, code & 255]), Buffer.from(reason as Uint8Array)]);
  test('without a code, with a code, with a reason of 123 bytes: the connection ends', async () => {
    for (const payload of [Buffer.alloc(0), closing(1000), closing(1000, 'x'.repeat(123))]) {
      await isEnded([rawFrame(close, payload)], [1000, 1005]);
    }
  });
  for (const code of [
    1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999,
  ]) {
    test(`with ${code} end the connection`, () => isEnded([rawFrame(close, closing(code))]));
  }
  for (const code of [0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999, 5000, 65_535]) {
    test(`with ${code}, which may not be sent, end the connection`, () =>
      isEnded([rawFrame(close, closing(code))]));
  }
  test('with half a code, a reason that is no UTF-8, or one that is too long end the connection', async () => {
    await isEnded([rawFrame(close, Buffer.from([3]))]);
    await isEnded([rawFrame(close, closing(1000, Buffer.from([0xc3])))]);
    await isEnded([rawFrame(close, closing(1000, 'x'.repeat(124)))]);
  });
  test('frames after a close are ignored', async () => {
    const raw = await RawWebSocket.open(server.url);
    raw.write(
      Buffer.concat([
        rawFrame(close, closing(1000)),
        rawFrame(text, ping('late')),
        rawFrame(OPCODE.ping),
      ]),
    );
    for (;;) {
      const frame = await raw.next();
      if (!frame) break;
      expect(frame.opcode).toBe(close);
    }
  });
});

describe('9: the longest message, in any fragments', () => {
  for (const size of [1, 64, 256, 1024, 4096, 32_768]) {
    test(`64 KiB in fragments of ${size}`, () => {
      const whole = ping('a', MAX);
      const count = Math.ceil(MAX / size);
      const fragments = Array.from({ length: count }, (_, n) =>
        rawFrame(n === 0 ? text : continuation, whole.slice(n * size, (n + 1) * size), {
          fin: n === count - 1,
        }),
      );
      return isAnswered([Buffer.concat(fragments)]);
    });
  }
  test('64 KiB in fragments of one byte', async () => {
    const bytes = rawFrame(text, ping('a', 300));
    await isAnswered([...bytes].map((byte) => Buffer.from([byte])));
  });
  test('a longer message ends the connection, in one frame or in fragments', async () => {
    await isEnded([rawFrame(text, ping('a', MAX + 1))], [1009]);
    await isEnded([part(text, ping('a', MAX)), rawFrame(continuation, ' ')], [1009]);
  });
  test('an impossible length ends the connection', async () => {
    await isEnded([
      Buffer.from([0x81, 0xff, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0]),
    ]);
    await isEnded([
      Buffer.from([0x81, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0]),
    ]);
  });
});

describe('12 and 13: compression', () => {
  /** RFC 7692, section 7.2.1: the last four bytes are left out. */
  const deflated = (content: string) => deflateRawSync(content, { finishFlush: 2 }).subarray(0, -4);
  const inflated = (payload: Buffer) =>
    inflateRawSync(Buffer.concat([payload, Buffer.from([0, 0, 255, 255])]), {
      finishFlush: 2,
    }).toString();

  for (const offer of [
    'permessage-deflate',
    'permessage-deflate; client_no_context_takeover',
    'permessage-deflate; server_no_context_takeover',
    'permessage-deflate; client_max_window_bits',
    'permessage-deflate; client_max_window_bits=9',
    'permessage-deflate; server_no_context_takeover; client_no_context_takeover; client_max_window_bits=15',
    'permessage-deflate; unknown=1, permessage-deflate',
  ]) {
    for (const length of [16, 1024, MAX - 1024]) {
      test(`${offer}, ${length} bytes`, async () => {
        const raw = await RawWebSocket.open(compressing.url, [
          `Sec-WebSocket-Extensions: ${offer}`,
        ]);
        const isOn = raw.handshake.includes('permessage-deflate');
        for (const id of ['1', '2', '3']) {
          const whole = ping(id, length);
          raw.write(isOn ? rawFrame(text, deflated(whole), { rsv: 4 }) : rawFrame(text, whole));
          const reply = await raw.next();
          const content =
            reply && (reply.rsv === 4 ? inflated(reply.payload) : reply.payload.toString());
          expect(JSON.parse(content ?? '')).toMatchObject({ type: 'pong', id });
        }
        raw.destroy();
      });
    }
  }

  for (const [what, frames] of [
    [
      'text that cannot be decompressed',
      [rawFrame(text, Buffer.from([0xff, 0xff, 0xff, 0xff]), { rsv: 4 })],
    ],
    [
      'text that is too long when decompressed',
      [rawFrame(text, deflated(' '.repeat(8 * 1024 * 1024)), { rsv: 4 })],
    ],
    ['a compressed ping', [rawFrame(OPCODE.ping, deflated('x'), { rsv: 4 })]],
    ['another reserved bit', [rawFrame(text, deflated(ping('a')), { rsv: 6 })]],
    [
      'the bit on a later fragment',
      [rawFrame(text, '{', { fin: false }), rawFrame(continuation, deflated('x'), { rsv: 4 })],
    ],
    [
      'decompressed text that is not UTF-8',
      [
        rawFrame(
          text,
          deflateRawSync(Buffer.from([0xc3, 0x28]), { finishFlush: 2 }).subarray(0, -4),
          { rsv: 4 },
        ),
      ],
    ],
  ] as const) {
    test(`${what} ends the connection`, async () => {
      const raw = await RawWebSocket.open(compressing.url, [
        'Sec-WebSocket-Extensions: permessage-deflate',
      ]);
      for (const frame of frames) raw.write(frame);
      await raw.ended();
      raw.destroy();
    });
  }
});

test('the server still works after all of this', async () => {
  for (const each of [server, compressing]) {
    expect((await each.fetch('/health')).status).toBe(200);
    const client = await each.join('ana', 'general');
    await client.settle();
    await client.close();
  }
});
