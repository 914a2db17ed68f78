import type { LinkParts } from './lazy.ts';
import { Leader, type ToLeader, type ToTab } from './leader.ts';
import type { Link, LinkEvents, OpenLink } from './link.ts';

/** The close code of a restart, after which a client reconnects. */
const RESTART = 1012;

/** By name: several clients of one user in a page have one share. */
const shares = new Map<string, Share>();

/**
 * One socket for all tabs of an origin: one tab is the leader and has it, the others send and receive
 * through that tab. In browsers without locks or channels each tab has its own.
 */
export function sharedLink(parts: LinkParts, link: OpenLink): OpenLink {
  const username = parts.username();
  // Without a username, the tabs of two users could not be told apart.
  if (!username || !globalThis.navigator?.locks || !globalThis.BroadcastChannel) return link;
  const name = `ws-chat ${parts.base} ${username.toLowerCase()}`;
  const share = shares.get(name) ?? new Share(name, link);
  shares.set(name, share);
  return (events) => share.open(events);
}

/** A tab's part in the shared socket. */
class Share {
  readonly #tab = crypto.randomUUID();
  readonly #channel: BroadcastChannel;
  /** The leader sees by this lock when the tab is gone: it is held before the first message. */
  readonly #isHeld: Promise<void>;
  #leader: Leader | undefined;
  #events: LinkEvents | undefined;
  #isOpen = false;
  /** How many links in a row the leader did not open. It may be frozen; after two SSE would be tried. */
  #unanswered = 0;

  constructor(
    private readonly name: string,
    private readonly link: OpenLink,
  ) {
    this.#channel = new BroadcastChannel(name);
    this.#channel.onmessage = ({ data }: MessageEvent<ToLeader | ToTab>) => this.#receive(data);
    this.#isHeld = new Promise((done) => {
      void navigator.locks.request(this.#tab, () => {
        done();
        return new Promise(() => {});
      });
    });
    this.#runForLeader({});
  }

  open(events: LinkEvents): Link {
    this.#events = events;
    this.#isOpen = false;
    this.#unanswered += 1;
    if (this.#unanswered > 1 && !this.#leader) this.#runForLeader({ steal: true });
    this.#greet();
    return {
      isGapless: true,
      send: (frame) => this.#tell({ to: 'leader', tab: this.#tab, kind: 'send', frame }),
      close: () => {
        if (this.#events !== events) return;
        this.#events = undefined;
        this.#tell({ to: 'leader', tab: this.#tab, kind: 'bye' });
      },
    };
  }

  /** Becomes the leader when that tab is gone; with `steal`, at once. */
  #runForLeader(options: LockOptions): void {
    const lead = () => {
      this.#leader = new Leader(this.link, (message) => this.#tell(message));
      this.#tell({ to: 'all', kind: 'leads' });
      return new Promise(() => {});
    };
    navigator.locks.request(this.name, options, lead).catch(() => {
      // Another tab has become the leader, since this one did not answer.
      this.#leader?.close();
      this.#leader = undefined;
      this.#runForLeader({});
    });
  }

  #greet(): void {
    const events = this.#events;
    void this.#isHeld.then(() => {
      if (this.#events === events) this.#tell({ to: 'leader', tab: this.#tab, kind: 'hello' });
    });
  }

  #tell(message: ToLeader | ToTab): void {
    if (message.to !== this.#tab && !(message.to === 'leader' && this.#leader)) {
      this.#channel.postMessage(message);
    }
    // A channel does not return the sender's own messages.
    queueMicrotask(() => this.#receive(message));
  }

  #receive(message: ToLeader | ToTab): void {
    if (message.to === 'leader') {
      this.#leader?.receive(message as ToLeader);
      return;
    }
    const events = this.#events;
    if (!events || (message.to !== this.#tab && message.to !== 'all')) return;
    switch ((message as ToTab).kind) {
      case 'opened':
        if (this.#isOpen) return;
        this.#isOpen = true;
        this.#unanswered = 0;
        events.opened();
        return;
      case 'received':
        events.received((message as { text: string }).text);
        return;
      case 'closed': {
        const { code, reason } = message as { code: number; reason: string };
        this.#events = undefined;
        events.closed(code, reason);
        return;
      }
      case 'leads':
        if (!this.#isOpen) {
          this.#greet();
          return;
        }
        this.#events = undefined;
        events.closed(RESTART, 'another tab has the connection now');
    }
  }
}
