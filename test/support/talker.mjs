/**
 * A program that posts to a room through the library, in any runtime, each message once. It is written as a
 * script, since a browser gets it as text.
 *
 * @param {typeof import('../../client/index.ts').ChatClient} ChatClient
 * @param {{ url: string, options: import('../../client/index.ts').ChatOptions, room: string, from: number, to: number }} what
 */
export function talk(ChatClient, { url, options, room: name, from, to }) {
  const chat = new ChatClient(url, {
    backoff: { first: 20, most: 300 },
    keep: 100_000,
    ...options,
  });
  const room = chat.room(name, { since: 0 });
  /** @type {number[]} */
  const shown = [];
  /** @type {string[]} */
  const errors = [];
  room.on('message', ({ id = 0 }) => shown.push(id));
  chat.on('error', ({ code, message }) => {
    if (['protocol', 'listener', 'store'].includes(code)) errors.push(`${code}: ${message}`);
  });
  let said = from;
  let end = to;
  setInterval(() => {
    if (said < end) room.send(`${options.username} ${said++}`);
  }, 5);
  return {
    chat,
    /** @param {number} to goes on up to this one */
    goOn: (to) => {
      end = to;
    },
    /** How it stands: small, since it is asked often. */
    state: () => ({
      count: room.messages.length,
      unsent: room.messages.filter(({ state }) => state !== 'sent').length,
      hasSaidAll: said === end,
      isLive: room.status.state === 'live',
    }),
    /** All that the application was shown. */
    all: () => ({
      messages: room.messages.map(({ id, content }) => ({ id, content })),
      shown,
      errors,
    }),
  };
}

// Run as a program, it posts messages, and prints the values whose names it reads from standard input.
if (typeof process === 'object' && process.argv[2]?.startsWith('{')) {
  const { library, ...what } = JSON.parse(process.argv[2]);
  const { ChatClient } = await import(library);
  const WebSocket = globalThis.WebSocket ?? (await import('ws')).WebSocket;
  const talking = talk(ChatClient, { ...what, options: { ...what.options, WebSocket } });
  process.stdin.on('data', (name) => {
    const answer = `${name}`.trim() === 'all' ? talking.all() : talking.state();
    console.log(JSON.stringify(answer));
  });
  process.stdin.on('end', () => process.exit());
}
