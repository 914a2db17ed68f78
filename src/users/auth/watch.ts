import { Disconnect } from '../../errors.ts';
import type { Cancel, Clock } from '../../lib/clock.ts';
import { type Identity, refusal, type UserState } from '../../protocol/identity.ts';
import type { UserListener, UserService } from '../user.service.ts';

/** An open connection. */
export interface Holder {
  end(reason: Disconnect): void;
}

/** The watch over an open connection, until its identity may no longer act as its user: see {@link AuthService.watch}. */
export class Watch implements UserListener {
  #isOver = false;
  #cancelExpiry: Cancel | undefined;

  constructor(
    private readonly parts: { users: UserService; clock: Clock },
    private readonly identity: Identity,
    private readonly holder: Holder,
    private readonly user: UserState,
  ) {
    parts.users.watch(user, this);
    const expiresAt = identity.kind === 'user' ? identity.token.expiresAt : undefined;
    if (expiresAt === undefined) return;
    this.#cancelExpiry = parts.clock.at(expiresAt, () => this.handle(user));
  }

  /** Checks a state of the user. */
  handle(state: UserState): void {
    const refused = refusal(this.identity, state, this.parts.clock.now());
    if (!refused || this.#isOver) return;
    this.end();
    this.holder.end(new Disconnect(refused));
  }

  end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.parts.users.unwatch(this.user.id, this);
    this.#cancelExpiry?.();
  }
}
