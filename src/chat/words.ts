/** Scripts without spaces between words, which need a dictionary. */
export const SPACELESS = String.raw`\p{sc=Han}\p{sc=Hira}\p{sc=Kana}\p{sc=Thai}\p{sc=Laoo}\p{sc=Khmr}\p{sc=Mymr}`;
const NEEDS_DICTIONARY = new RegExp(`[${SPACELESS}]`, 'u');
const IS_ASCII = /^[\0-\x7f]*$/;
/** Longer runs count as several words, since an entry of an index must be short. */
const ASCII_WORD = /[a-z0-9_]{1,64}/g;
const RUN = /[\p{L}\p{M}\p{N}_]+/gu;
const PIECE = /.{1,64}/gu;
/** Some characters stand for whole phrases and unfold to 18 others; then only the beginning is indexed. */
const MAX_UNFOLDED = 2;
/** The most words of a message of 4,000 characters; the rest of a far longer one is not found. */
const MOST_WORDS = 2000;

let segmenter: Intl.Segmenter | undefined;

/**
 * The words of a text as they are stored and searched for: each with its room, so that a search in one room
 * never meets the words of another, however common they are there.
 */
export function lexemes(roomId: number, text: string): string[] {
  return firstWordsOf(text).map((word) => `${roomId}:${word}`);
}

/** The same as one text, separated by spaces. */
export function lexemeText(roomId: number, text: string): string {
  const words = firstWordsOf(text);
  return words.length === 0 ? '' : `${roomId}:${words.join(` ${roomId}:`)}`;
}

function firstWordsOf(text: string): string[] {
  const words = wordsOf(text);
  return words.length > MOST_WORDS ? words.slice(0, MOST_WORDS) : words;
}

/**
 * The words of a text as the search compares them: in lower case, after NFKC, Latin letters without their
 * accents. The text of a search is treated the same way.
 */
function wordsOf(text: string): string[] {
  const lower = text.toLowerCase();
  // Most texts are ASCII, which nothing below would change.
  if (IS_ASCII.test(lower)) return lower.match(ASCII_WORD) ?? [];
  const plain = lower
    .normalize('NFKC')
    .toLowerCase()
    .normalize('NFD')
    .replace(/(\p{sc=Latn})\p{M}+/gu, '$1')
    .normalize('NFC')
    .slice(0, MAX_UNFOLDED * Math.max(text.length, 64));
  const runs = plain.match(RUN) ?? [];
  const words = runs.flatMap((run) => (NEEDS_DICTIONARY.test(run) ? segmentsOf(run) : run));
  return words.flatMap((word) => word.match(PIECE) ?? []);
}

function segmentsOf(run: string): string[] {
  segmenter ??= new Intl.Segmenter(undefined, { granularity: 'word' });
  return Array.from(segmenter.segment(run))
    .filter(({ isWordLike }) => isWordLike)
    .map(({ segment }) => segment);
}
