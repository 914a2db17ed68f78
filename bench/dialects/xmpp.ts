import type { Dialect } from './dialect.ts';

const OPEN = '<open xmlns="urn:ietf:params:xml:ns:xmpp-framing" to="localhost" version="1.0"/>';
const client = 'xmlns="jabber:client"';

/** XMPP over WebSocket (RFC 7395) and its rooms (XEP-0045), as an anonymous user. */
export const xmpp: Dialect = {
  subprotocol: 'xmpp',
  connect({ name, room, send, joined }) {
    const address = `${room}@conference.localhost`;
    const sasl = 'xmlns="urn:ietf:params:xml:ns:xmpp-sasl"';
    /** The answers to the server's stanzas, up to the join. */
    const steps: [RegExp, () => void][] = [
      [/<mechanisms/, () => send(`<auth ${sasl} mechanism="ANONYMOUS"/>`)],
      [/^<success/, () => send(OPEN)],
      [
        /<bind/,
        () =>
          send(
            `<iq ${client} type="set" id="bind"><bind xmlns="urn:ietf:params:xml:ns:xmpp-bind"/></iq>`,
          ),
      ],
      [
        /^<iq/,
        () =>
          send(
            `<presence ${client} to="${address}/${name}"><x xmlns="http://jabber.org/protocol/muc"><history maxstanzas="0"/></x></presence>`,
          ),
      ],
      [/<status code=['"]110['"]/, joined],
    ];
    return {
      join: () => send(OPEN),
      message: (id, content) =>
        `<message ${client} to="${address}" type="groupchat" id="${id}"><body>${content}</body></message>`,
      receive(buffer, from, to) {
        const [step] = steps;
        if (!step) return buffer.toString('latin1', from, from + 8) === '<message' ? 1 : 0;
        const [awaited, act] = step;
        if (awaited.test(buffer.toString('utf8', from, to))) {
          steps.shift();
          act();
        }
        return 0;
      },
    };
  },
};
