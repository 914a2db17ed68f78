/** How far from the end still counts as at the end, in pixels. */
const END = 40;

/** Holds the place in a list that grows at both ends, and whose parts change their heights. */
export class PlaceHolder {
  isAtEnd = true;
  /** What was at the top of the view, and where. */
  #anchor: { element: Element; top: number } | undefined;
  readonly #sizes: ResizeObserver;

  constructor(private readonly scroller: HTMLElement) {
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

  /** The view has moved. */
  scrolled(): void {
    const { scrollHeight, scrollTop, clientHeight } = this.scroller;
    this.isAtEnd = scrollHeight - scrollTop - clientHeight < END;
    this.#note();
  }

  /** The content has changed: what was seen stays where it was. */
  keep(): void {
    const { scroller } = this;
    if (this.isAtEnd) {
      scroller.scrollTop = scroller.scrollHeight;
      return;
    }
    if (this.#anchor?.element.isConnected) {
      const moved = this.#topOf(this.#anchor.element) - this.#anchor.top;
      if (Math.abs(moved) >= 1) scroller.scrollTop += moved;
    }
    this.#note();
  }

  toEnd(): void {
    this.isAtEnd = true;
    this.scroller.scrollTop = this.scroller.scrollHeight;
  }

  /** Brings a message into view, and marks it for a moment. */
  show(key: string, chunk: number): void {
    this.isAtEnd = false;
    this.#anchor = undefined;
    const piece = this.scroller.querySelector(`[data-chunk="${chunk}"]`);
    piece?.scrollIntoView({ block: 'center' });
    // The piece is drawn once it is near.
    requestAnimationFrame(() =>
      requestAnimationFrame(() => {
        const found = this.scroller.querySelector<HTMLElement>(`[data-key="${CSS.escape(key)}"]`);
        found?.scrollIntoView({ block: 'center' });
        found?.focus({ preventScroll: true });
        found?.classList.add('flash');
        setTimeout(() => found?.classList.remove('flash'), 2000);
      }),
    );
  }

  #note(): void {
    const top = this.scroller.getBoundingClientRect().top;
    const isSeen = (element: Element) => element.getBoundingClientRect().bottom > top;
    const chunk = [...this.scroller.querySelectorAll('[data-chunk]')].find(isSeen);
    const element = chunk && ([...chunk.querySelectorAll('li')].find(isSeen) ?? chunk);
    this.#anchor = element && { element, top: this.#topOf(element) };
  }

  #topOf(element: Element): number {
    return element.getBoundingClientRect().top - this.scroller.getBoundingClientRect().top;
  }
}
