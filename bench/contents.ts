const VOCABULARY = 50_000;

/** Eleven words, the n-th of which is about as frequent as 1/n of the first, as in a language: 60 characters. */
export function content(): string {
  return Array.from({ length: 11 }, () => `w${Math.floor(VOCABULARY ** Math.random())}`).join(' ');
}

const drawn = Array.from({ length: 1000 }, content);

/** One of a thousand prepared contents: a load that drew a new one for each message would be too slow. */
export function drawnContent(n: number): string {
  return drawn[n % drawn.length] as string;
}
