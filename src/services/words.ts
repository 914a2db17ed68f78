import { wordsOf } from '../types/words.ts';

/**
 * The words of a text as they are stored and looked for: each with its room, so that a search in one room
 * never meets the words of another, however common they are there.
 */
export function lexemes(roomId: number, text: string): string[] {
  return wordsOf(text).map((word) => `${roomId}:${word}`);
}
