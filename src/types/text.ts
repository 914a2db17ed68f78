import { ChatError } from '../errors.ts';

/** Words for a schema's `description` and for the error sentence, so that both say the same. */
export const expected = {
  username:
    'a name: 1 to 32 visible letters, marks and digits of any script, "_", "." or "-", beginning with a letter or digit, not "active" or "me"',
  room: 'a room: 1 to 64 of a-z 0-9 _ . : -',
  id: 'an id: 1 to 64 characters, a UUID for example',
  content: 'text that is not blank',
  eventName: 'the name of an event: 1 to 64 characters',
  password: 'a password of 8 to 256 characters',
  emoji: 'one emoji, such as 👍',
} as const;

/** Some letters and marks cannot be seen (DI), and would make two names look the same. */
const USERNAME = /^(?!.*\p{DI})[\p{L}\p{Nd}][\p{L}\p{M}\p{Nd}_.-]{0,31}$/u;
/** They stand in the place of a name in `/users/active` and `/me`. */
const RESERVED_USERNAMES = new Set(['active', 'me']);
const ROOM = /^[a-z0-9_.:-]{1,64}$/;

/** A user's name as it is shown, and the key by which two spellings are the same user. */
export interface Username {
  name: string;
  key: string;
}

/**
 * Checks a name after NFKC.
 *
 * @param field where it stood, for the error
 * @throws {ChatError} `invalid_frame`
 */
export function parseUsername(raw: string, field = 'username'): Username {
  const name = raw.normalize('NFKC');
  const key = name.toLowerCase();
  if (!USERNAME.test(name) || RESERVED_USERNAMES.has(key)) {
    throw new ChatError('invalid_frame', `"${field}" must be ${expected.username}`);
  }
  return { name, key };
}

/** Whether two spellings are of one name. @throws {ChatError} `invalid_frame` */
export function isSameName(one: string, other: string): boolean {
  return parseUsername(one).key === parseUsername(other).key;
}

/**
 * Checks the name of a room and returns it in lower case. Whether there is such a room, and
 * whether it may be entered, is the services' to say.
 *
 * @throws {ChatError} `invalid_frame`
 */
export function parseRoomName(raw: string): string {
  const name = raw.toLowerCase();
  if (!ROOM.test(name)) throw new ChatError('invalid_frame', `"room" must be ${expected.room}`);
  return name;
}

/**
 * Checks what someone says.
 *
 * @param maxLength characters (code points), of which an emoji may take several
 * @throws {ChatError} `invalid_frame` or `too_long`
 */
export function checkContent(content: string, maxLength: number): void {
  if (!/\S/u.test(content)) {
    throw new ChatError('invalid_frame', `"content" must be ${expected.content}`);
  }
  checkStorable('content', content);
  // A code point is one or two UTF-16 units, so most contents need no count.
  if (
    content.length > maxLength &&
    (content.length > 2 * maxLength || [...content].length > maxLength)
  ) {
    throw new ChatError(
      'too_long',
      `"content" is longer than the ${maxLength} characters that a message may have`,
    );
  }
}

/**
 * Checks the id that a client gave a message.
 *
 * @throws {ChatError} `invalid_frame`
 */
export function checkClientId(id: string): void {
  if (id.length < 1 || id.length > 64) {
    throw new ChatError('invalid_frame', `"id" must be ${expected.id}`);
  }
  checkStorable('id', id);
}

/** What Postgres cannot keep as UTF-8 text: half a surrogate pair, and the NUL character. */
function checkStorable(field: string, text: string): void {
  if (!text.isWellFormed()) {
    throw new ChatError(
      'invalid_frame',
      `"${field}" holds half of a surrogate pair; send whole characters`,
    );
  }
  if (text.includes('\0')) {
    throw new ChatError('invalid_frame', `"${field}" holds a NUL character, which text cannot`);
  }
}

/**
 * Checks a password that someone chooses.
 *
 * @throws {ChatError} `invalid_frame`
 * @see https://pages.nist.gov/800-63-4/sp800-63b.html#passwordver for the least length, and for asking
 *   nothing else of it
 */
export function checkPassword(field: string, password: string): void {
  const { length } = [...password];
  if (length < 8 || length > 256 || !password.isWellFormed()) {
    throw new ChatError('invalid_frame', `"${field}" must be ${expected.password}`);
  }
}

/**
 * Checks the name of an event that is shown and not stored.
 *
 * @throws {ChatError} `invalid_frame`
 */
export function checkEventName(name: string): void {
  if (name.length < 1 || name.length > 64 || !name.isWellFormed()) {
    throw new ChatError('invalid_frame', `"name" must be ${expected.eventName}`);
  }
}

/**
 * Checks what a room is about.
 *
 * @throws {ChatError} `invalid_frame`
 */
export function checkTopic(topic: string): void {
  if ([...topic].length > 256) {
    throw new ChatError('invalid_frame', '"topic" must be text of at most 256 characters');
  }
  checkStorable('topic', topic);
}

/** Deeper than any sensible message, and far from what stops a JSON parser. */
const MAX_DATA_DEPTH = 32;
/** Of its JSON; with the longest content it still fits into a frame. */
const MAX_DATA_BYTES = 32 * 1024;

/**
 * Checks what a program adds to a message.
 *
 * @throws {ChatError} `invalid_frame` or `too_long`
 */
export function checkData(data: unknown): void {
  if (data === undefined) return;
  if (depthExceeds(data, MAX_DATA_DEPTH)) {
    throw new ChatError('invalid_frame', `"data" must be JSON of at most ${MAX_DATA_DEPTH} levels`);
  }
  if (Buffer.byteLength(JSON.stringify(data)) > MAX_DATA_BYTES) {
    throw new ChatError('too_long', `"data" is longer than ${MAX_DATA_BYTES} bytes of JSON`);
  }
}

function depthExceeds(value: unknown, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return levels === 0 || Object.values(value).some((inner) => depthExceeds(inner, levels - 1));
}

/** An emoji may be written with or without this, which asks for its coloured form. */
const VARIATION_SELECTOR = '\uFE0F';

/**
 * Checks an emoji, and returns it as Unicode recommends to write it, so that two spellings are one reaction.
 *
 * @throws {ChatError} `invalid_frame`
 * @see https://unicode.org/reports/tr51/#def_rgi_set
 */
export function parseEmoji(raw: string): string {
  const bare = raw.replaceAll(VARIATION_SELECTOR, '');
  const emoji = [raw, bare, bare + VARIATION_SELECTOR].find((each) =>
    /^\p{RGI_Emoji}$/v.test(each),
  );
  if (emoji === undefined) {
    throw new ChatError('invalid_frame', `"emoji" must be ${expected.emoji}`);
  }
  return emoji;
}
