/** A row of the table at the end. */
export interface Result {
  what: string;
  value: number;
  /** The value of a peer, measured in the same run. */
  peer: number;
  peerName: string;
  /** The aimed-for ratio of the two; a `Reach` has a bar in the chart. */
  aim: string | Reach;
}

/** Marks a peer that loses its messages when it stops. */
export const NOTHING_STORED = ', nothing stored';
export const BARE = `bare Bun.serve${NOTHING_STORED}`;

/** An aim, for a value itself or for its ratio to the peer's. */
export interface Reach {
  of: 'figure' | 'ratio';
  limit: number;
  /** Whether less is better: then the limit is a maximum. */
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

/** A result that has an aim. */
export type Reaching = Result & { aim: Reach };

export function isReaching<Kind extends Result>(result: Kind): result is Kind & Reaching {
  return typeof result.aim !== 'string';
}

/** The share of its aim that a result reaches: 1 is all of it. */
export function shareOf({ value, peer, aim }: Reaching): number {
  const is = aim.of === 'ratio' ? value / peer : value;
  return aim.isMost ? aim.limit / is : is / aim.limit;
}

export function aimOf(aim: Result['aim']): string {
  if (typeof aim === 'string') return aim;
  const sign = aim.isMost ? '≤' : '≥';
  return [sign, aim.limit.toLocaleString('en'), aim.unit].filter(Boolean).join(' ');
}

/** Formats a number for a table: four digits, grouped by thousands. */
export function figure(value: number, digits = 4): string {
  return Number(value.toPrecision(digits)).toLocaleString('en', { maximumFractionDigits: 3 });
}
