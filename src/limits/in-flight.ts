/** The unanswered bytes of one network. */
export interface Load {
  /** Counts bytes that arrive. @returns false past the limit; then they are not counted */
  take(bytes: number): boolean;
  /** Stops counting bytes that have been answered or given up. */
  give(bytes: number): void;
}

/** Counts the bytes of unanswered frames and requests, per network. */
export class InFlight {
  readonly #bytesOf = new Map<string, number>();

  /** @param most the most bytes of one network; 0 for no limit */
  constructor(private readonly most: number) {}

  of(network: string): Load {
    return {
      take: (bytes) => {
        const sum = (this.#bytesOf.get(network) ?? 0) + bytes;
        if (this.most > 0 && sum > this.most) return false;
        this.#bytesOf.set(network, sum);
        return true;
      },
      give: (bytes) => {
        const left = (this.#bytesOf.get(network) ?? 0) - bytes;
        if (left > 0) this.#bytesOf.set(network, left);
        else this.#bytesOf.delete(network);
      },
    };
  }
}
