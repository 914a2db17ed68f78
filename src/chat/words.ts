/** Scripts without spaces between words, which need a dictionary. */
const SPACELESS = String.raw`\p{sc=Han}\p{sc=Hira}\p{sc=Kana}\p{sc=Thai}\p{sc=Laoo}\p{sc=Khmr}\p{sc=Mymr}`;
const NEEDS_DICTIONARY = new RegExp(`[${SPACELESS}]`, 'u');
const IS_ASCII = /^[\0-\x7f]*$/;
/** Longer runs count as several words, since an entry of an index must be short. */
const ASCII_WORD = /[a-z0-9_]{1,64}/g;
const RUN = /[\p{L}\p{M}\p{N}_]+/gu;
const PIECE = /.{1,64}/gu;
/** Some characters stand for whole phrases and unfold to 18 others; then only the beginning is indexed. */
const MAX_UNFOLDED = 2;

let segmenter: Intl.Segmenter | undefined;

/**
 * The words of a text as the search compares them: in lower case, after NFKC, Latin letters without their
 * accents. The text of a search is treated the same way.
 */
export function wordsOf(text: string): string[] {
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

/** Characters before which a name may end without a space. */
const MAY_FOLLOW_A_NAME = new RegExp(`[${SPACELESS}_.-]`, 'u');
const MENTION = /(?<![\p{L}\p{M}\p{N}_.@-])@([\p{L}\p{Nd}][\p{L}\p{M}\p{Nd}_.-]*)/gu;
const MAX_NAME_LENGTH = 32;
/** Different names that one message may mention; further ones are just text. */
const MAX_MENTIONS = 50;

/**
 * The candidates for a user's name after each `@` of a text: their keys, longest first, since only the list of
 * users tells where a name ends in `@ana.` or `@太郎さん`.
 */
export function mentionsIn(content: string): string[][] {
  if (!content.includes('@')) return [];
  const found = new Map<string, string[]>();
  for (const [, raw = ''] of content.normalize('NFKC').matchAll(MENTION)) {
    const letters = [...raw];
    const whole = letters.slice(0, MAX_NAME_LENGTH);
    const candidates: string[] = [];
    for (let length = whole.length; length > 0; length--) {
      const next = letters[length];
      if (next !== undefined && !MAY_FOLLOW_A_NAME.test(next)) continue;
      candidates.push(whole.slice(0, length).join('').toLowerCase());
    }
    if (candidates.length > 0) found.set(raw, candidates);
    if (found.size === MAX_MENTIONS) break;
  }
  return [...found.values()];
}
