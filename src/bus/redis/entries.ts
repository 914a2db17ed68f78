import type { BusEvent } from '../bus.ts';

export type Entry = [
  id: string,
  fields: [from: string, server: string, kind: string, value: string],
];

/** Characters of messages in one entry. */
const MAX_ENTRY = 64 * 1024;

/** Events with the same key stay in order. */
export function shardKey(event: BusEvent): string {
  if ('server' in event) return event.server;
  if ('room' in event) return `${event.room.id}`;
  return event.kind === 'user.updated' ? `${event.user.id}` : event.kind;
}

/** Encodes an event as JSON, in as many entries as it needs. */
export function* encoded(event: BusEvent): Generator<string> {
  if (event.kind !== 'messages') {
    yield JSON.stringify(event);
    return;
  }
  const { messages, ...rest } = event;
  const entry = (texts: string[]) =>
    `${JSON.stringify(rest).slice(0, -1)},"messages":[${texts.join(',')}]}`;
  let texts: string[] = [];
  let length = 0;
  for (const message of messages) {
    const text = JSON.stringify(message);
    if (texts.length > 0 && length + text.length > MAX_ENTRY) {
      yield entry(texts);
      texts = [];
      length = 0;
    }
    texts.push(text);
    length += text.length;
  }
  yield entry(texts);
}

/** Compares two ids of entries, each `milliseconds-number`. */
export function isAfter(one: string, other: string): boolean {
  const [ms = 0, n = 0] = one.split('-').map(Number);
  const [otherMs = 0, otherN = 0] = other.split('-').map(Number);
  return ms > otherMs || (ms === otherMs && n > otherN);
}

/** The time at which an entry was appended, by Redis' clock: milliseconds since 1970. */
export function timeOf(id: string): number {
  return Number(id.split('-')[0]);
}
