/** How far from the end still counts as at the end, in pixels. */
const END = 40;
/** How long a message that was looked for is marked, in milliseconds. */
const MARKED_MS = 2400;

/** Holds the place in a list that grows at both ends, and whose parts change their heights. */
export class PlaceHolder {
  isAtEnd = true;
  /** The first text in the view, of which message it is, and where it must stay, in pixels below the top of the view. */
  #anchor: { text: Element; key: string | undefined; top: number } | undefined;
  /** Where the view was when it was last looked at: it moves before anybody is told. */
  #seenAt = 0;
  /** A message that is to be shown once it is drawn, and the piece that it is in. */
  #wanted: { key: string; chunk: number } | undefined;
  readonly #sizes: ResizeObserver;

  constructor(readonly scroller: HTMLElement) {
    this.#sizes = new ResizeObserver(() => this.keep());
    this.#sizes.observe(scroller);
    if (scroller.firstElementChild) this.#sizes.observe(scroller.firstElementChild);
  }

  end(): void {
    this.#sizes.disconnect();
  }

  /** Pixels above the view. */
  get fromStart(): number {
    return this.scroller.scrollTop;
  }

  /** Pixels below the view. */
  get fromEnd(): number {
    const { scrollHeight, scrollTop, clientHeight } = this.scroller;
    return scrollHeight - scrollTop - clientHeight;
  }

  /** The view has moved. */
  scrolled(): void {
    this.isAtEnd = this.fromEnd < END;
    this.#seenAt = this.scroller.scrollTop;
    this.#anchor = this.#firstText();
  }

  /** The content has changed: what was seen stays where it was, to the pixel. */
  keep(): void {
    const { scroller } = this;
    if (this.#wanted) return void this.#reach(this.#wanted);
    const scrolledBy = scroller.scrollTop - this.#seenAt;
    if (this.isAtEnd && scrolledBy < 0) this.isAtEnd = this.fromEnd < END;
    if (this.isAtEnd) return void this.toEnd();
    const text = this.#anchor && this.#find(this.#anchor);
    if (!this.#anchor || !text) return void this.scrolled();
    const top = this.#anchor.top - scrolledBy;
    const moved = this.#topOf(text) - top;
    if (Math.abs(moved) >= 0.5) scroller.scrollTop += moved;
    this.#seenAt = scroller.scrollTop;
    this.#anchor = { ...this.#anchor, text, top };
  }

  toEnd(): void {
    this.isAtEnd = true;
    this.scroller.scrollTop = this.scroller.scrollHeight;
    this.#seenAt = this.scroller.scrollTop;
  }

  /** Brings a message into view as soon as it is drawn, and marks it for a moment. */
  show(key: string, chunk: number): void {
    this.isAtEnd = false;
    this.#wanted = { key, chunk };
    this.#reach(this.#wanted);
  }

  #reach({ key, chunk }: { key: string; chunk: number }): void {
    const found = this.#messageOf(key);
    if (!found) {
      // It is drawn when it is near.
      this.scroller.querySelector(`[data-chunk="${chunk}"]`)?.scrollIntoView({ block: 'center' });
      return;
    }
    this.#wanted = undefined;
    found.scrollIntoView({ block: 'center' });
    found.focus({ preventScroll: true });
    found.classList.add('flash');
    setTimeout(() => found.classList.remove('flash'), MARKED_MS);
    this.scrolled();
  }

  #firstText() {
    const edge = this.scroller.getBoundingClientRect().top;
    const isSeen = (element: Element) => element.getBoundingClientRect().bottom > edge;
    const chunk = [...this.scroller.querySelectorAll('[data-chunk]')].find(isSeen);
    const text = chunk && ([...chunk.querySelectorAll('.text')].find(isSeen) ?? chunk);
    return text && { text, key: keyOf(text), top: this.#topOf(text) };
  }

  /** The text of an anchor, which may have been drawn anew. */
  #find({ text, key }: { text: Element; key: string | undefined }): Element | null | undefined {
    if (text.isConnected) return text;
    return key ? this.#messageOf(key)?.querySelector('.text') : undefined;
  }

  #messageOf(key: string): HTMLElement | null {
    return this.scroller.querySelector(`[data-key="${CSS.escape(key)}"]`);
  }

  #topOf(element: Element): number {
    return element.getBoundingClientRect().top - this.scroller.getBoundingClientRect().top;
  }
}

function keyOf(text: Element): string | undefined {
  return text.closest<HTMLElement>('[data-key]')?.dataset.key;
}
