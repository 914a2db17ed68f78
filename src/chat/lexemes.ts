import { wordsOf } from './words.ts';

/** The most words of a message of 4,000 characters; the rest of a far longer one is not found. */
const MOST_WORDS = 2000;

/**
 * The words of a text as they are stored and searched for: each with its room, so that a search in one room
 * never meets the words of another, however common they are there.
 */
export function lexemes(roomId: number, text: string): string[] {
  return wordsOf(text)
    .slice(0, MOST_WORDS)
    .map((word) => `${roomId}:${word}`);
}
