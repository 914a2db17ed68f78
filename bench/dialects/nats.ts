import { type Dialect, shownMessage } from './dialect.ts';

const NEWLINE = 10;
const SPACE = 32;
const ZERO = 48;
const M = 77;

/** The text protocol of NATS, whose lines and payloads may cross WebSocket frames. */
export const nats: Dialect = {
  connect(member) {
    const { room, send, joined } = member;
    /** Bytes of a payload that are still to come. */
    let payload = 0;
    let line = '';
    return {
      join: () => send(`CONNECT {"verbose":false,"pedantic":false}\r\nSUB ${room} 1\r\nPING\r\n`),
      message(id, content) {
        const text = shownMessage(member, id, content);
        return `PUB ${room} ${Buffer.byteLength(text)}\r\n${text}\r\n`;
      },
      receive(buffer, from, to) {
        let messages = 0;
        for (let at = from; at < to; ) {
          if (payload > 0) {
            const length = Math.min(payload, to - at);
            at += length;
            payload -= length;
            continue;
          }
          const newline = buffer.indexOf(NEWLINE, at);
          const end = newline === -1 || newline >= to ? to : newline;
          if (end < to && line === '' && buffer[at] === M) {
            messages += 1;
            payload = sizeBefore(buffer, end) + '\r\n'.length;
            at = end + 1;
            continue;
          }
          line += buffer.toString('latin1', at, end);
          at = end + 1;
          if (end === to) break;
          if (line.startsWith('MSG')) {
            messages += 1;
            payload = Number(line.slice(line.lastIndexOf(' '))) + '\r\n'.length;
          } else if (line.startsWith('PONG')) joined();
          else if (line.startsWith('PING')) send('PONG\r\n');
          line = '';
        }
        return messages;
      },
    };
  },
};

/** The number at the end of a line, read where it lies: the load must not cost more than with other peers. */
function sizeBefore(buffer: Buffer, newline: number): number {
  let size = 0;
  let place = 1;
  for (let at = newline - 2; buffer[at] !== SPACE; at--) {
    size += ((buffer[at] as number) - ZERO) * place;
    place *= 10;
  }
  return size;
}
