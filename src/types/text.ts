import { ChatError } from '../errors.ts';

/** Words for a schema's `description` and for the error sentence, so that both say the same. */
export const expected = {
  username:
    'a name: 1 to 32 letters, marks and digits of any script, "_", "." or "-", beginning with a letter or digit, not "active" or "me"',
  room: 'a room: 1 to 64 of a-z 0-9 _ . : -',
  id: 'an id: 1 to 64 characters, a UUID for example',
  content: 'text that is not blank',
} as const;

const USERNAME = /^[\p{L}\p{Nd}][\p{L}\p{M}\p{Nd}_.-]{0,31}$/u;
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
 * @throws {ChatError} `invalid_frame`
 */
export function parseUsername(raw: string): Username {
  const name = raw.normalize('NFKC');
  const key = name.toLowerCase();
  if (!USERNAME.test(name) || RESERVED_USERNAMES.has(key)) {
    throw new ChatError('invalid_frame', `"username" must be ${expected.username}`);
  }
  return { name, key };
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

/** Deeper than any sensible message, and far from what stops a JSON parser. */
const MAX_DATA_DEPTH = 32;

/**
 * Checks what a program adds to a message.
 *
 * @throws {ChatError} `invalid_frame`
 */
export function checkData(data: unknown): void {
  if (depthExceeds(data, MAX_DATA_DEPTH)) {
    throw new ChatError('invalid_frame', `"data" must be JSON of at most ${MAX_DATA_DEPTH} levels`);
  }
}

function depthExceeds(value: unknown, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return levels === 0 || Object.values(value).some((inner) => depthExceeds(inner, levels - 1));
}
