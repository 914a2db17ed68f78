/** A token, or a function that fetches one; it is called again when a fresh one is needed. */
export type TokenSource = string | (() => string | Promise<string>);

/** The token that is shown to the server. */
export class Token {
  /** Undefined for a guest, and before it is fetched. */
  value: string | undefined;
  readonly isRenewable: boolean;

  constructor(private readonly source: TokenSource | undefined) {
    this.isRenewable = typeof source === 'function';
  }

  /** Sees to it that there is one, if there can be. Rejects as the application's function does. */
  async fetch(isFresh = false): Promise<void> {
    if (isFresh || this.value === undefined) {
      this.value = typeof this.source === 'function' ? await this.source() : this.source;
    }
  }
}
