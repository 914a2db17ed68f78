/** One line of the table at the end. */
export interface Result {
  what: string;
  value: number;
  /** The same of a peer, measured in the same run. */
  peer: number;
  peerName: string;
  /** What the ratio of the two should be; of what a `Reach` can tell, there is a bar in the chart. */
  aim: string | Reach;
}

/** Marks a peer whose messages are gone when it ends. */
export const NOTHING_STORED = ', nothing stored';
export const BARE = `bare Bun.serve${NOTHING_STORED}`;

/** What is to be reached, by a figure itself or by its ratio to the peer's. */
export interface Reach {
  of: 'figure' | 'ratio';
  limit: number;
  /** Less is better: the limit is the most that it may be. */
  isMost: boolean;
  unit: string;
}

export const ratioAtLeast = (limit: number): Reach => ({
  of: 'ratio',
  limit,
  isMost: false,
  unit: '',
});
export const ratioAtMost = (limit: number): Reach => ({ ...ratioAtLeast(limit), isMost: true });
export const atLeast = (limit: number, unit: string): Reach => ({
  of: 'figure',
  limit,
  isMost: false,
  unit,
});
export const atMost = (limit: number, unit: string): Reach => ({
  ...atLeast(limit, unit),
  isMost: true,
});

/** A result that has something to reach. */
export type Reaching = Result & { aim: Reach };

export function isReaching<Kind extends Result>(result: Kind): result is Kind & Reaching {
  return typeof result.aim !== 'string';
}

/** How much of what is to be reached a result has: 1 is all of it. */
export function shareOf({ value, peer, aim }: Reaching): number {
  const is = aim.of === 'ratio' ? value / peer : value;
  return aim.isMost ? aim.limit / is : is / aim.limit;
}

export function aimOf(aim: Result['aim']): string {
  if (typeof aim === 'string') return aim;
  const sign = aim.isMost ? '≤' : '≥';
  return [sign, aim.limit.toLocaleString('en'), aim.unit].filter(Boolean).join(' ');
}

/** A number as a table shows it: four digits, by thousands. */
export function figure(value: number, digits = 4): string {
  return Number(value.toPrecision(digits)).toLocaleString('en', { maximumFractionDigits: 3 });
}
