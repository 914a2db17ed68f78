/** A token, or a function that fetches one, called again whenever a fresh one is needed. */
export type TokenSource = string | (() => string | Promise<string>);

/** The token of a client. */
export class Token {
  /** Undefined for a guest, and before it is fetched. */
  value: string | undefined;
  readonly isRenewable: boolean;

  constructor(private readonly source: TokenSource | undefined) {
    this.isRenewable = typeof source === 'function';
  }

  /** Fetches the token if there is none. Rejects as the application's function does. */
  async fetch(isFresh = false): Promise<void> {
    if (isFresh || this.value === undefined) {
      this.value = typeof this.source === 'function' ? await this.source() : this.source;
    }
  }
}
