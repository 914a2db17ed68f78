import { SQL } from 'bun';
import type { OpenDatabase } from '../../src/db/index.ts';
import type { Pulse } from '../../src/db/pool.ts';
import { overBun } from '../../src/db/postgres.ts';
import { type Postgres, serverError } from './postgres.ts';
import { CHANGES_RIGHTS } from './truth.ts';
import type { Process, World } from './world.ts';

/** A server's line to the database, which delays, holds or cuts statements. */
export interface DatabaseLine {
  state: 'open' | 'held' | 'cut';
  delay: number;
  /** The time since which the line is quick; infinite while it is slow. */
  quickSince: number;
}

/** Seconds after which a wait for the database is given up, as by default. */
const TIMEOUT = 4;
/** When Postgres itself gives up, in milliseconds: a little earlier. */
const STATEMENT_TIMEOUT_MS = TIMEOUT * 875;
const IDLE_IN_TRANSACTION_MS = TIMEOUT * 1000;
/** How long a statement waits for the row of a room that another session holds. */
const LOCK_TIMEOUT_MS = 500;
const CONNECTIONS = 8;

interface Statement {
  text: string;
  params: unknown[];
  isArray: boolean;
  arrivedAt: number;
  done(rows: unknown[]): void;
  failed(error: Error): void;
}

/** A statement has found or written rows: shared state may have changed. */
export type OnResult = (text: string) => Promise<void>;

/** The database of all simulated servers: decides when each statement is carried out, and whether its answer arrives. */
export class SimulatedDatabase {
  isUp = true;
  /** The ids of rooms whose rows another session holds. */
  readonly held = new Set<number>();
  readonly sessions = new Set<Session>();
  /** The servers whose next commit is not answered: the connection breaks, before it or after it. */
  readonly snares = new Set<Process>();
  /** The fault of a server as soon as its next change of a right is stored, before the answer. */
  readonly stalls = new Map<Process, () => void>();
  /** The servers whose next change of a right is not answered. */
  readonly rightSnares = new Set<Process>();
  /** The session with an open transaction, for which all others wait. */
  #holder: Session | undefined;

  constructor(
    readonly world: World,
    readonly postgres: Postgres,
    readonly onResult: OnResult,
  ) {}

  /** The database as one server sees it. */
  open(process: Process, line: DatabaseLine): OpenDatabase {
    const { clock } = process;
    const pulse: Pulse = { isAnswering: true };
    const connect = () => new Session(this, process, line).client as unknown as SQL;
    const settings = { max: CONNECTIONS, timeout: TIMEOUT, pulse, clock };
    const [reads, writes] = [overBun(connect, settings), overBun(connect, settings)];
    return {
      db: reads.db,
      writes: writes.db,
      lanes: CONNECTIONS / 2,
      blockedLanes: CONNECTIONS / 2,
      timeout: TIMEOUT,
      isPooled: false,
      isAnswering: () => pulse.isAnswering,
      ping: async () => {},
      close: async () => {},
    };
  }

  /** Ends the sessions of some servers, or all: their running statements are carried out, or not. */
  cut(which: (session: Session) => boolean = () => true): void {
    for (const session of [...this.sessions]) if (which(session)) session.cut(!this.isUp);
  }

  async begin(session: Session): Promise<void> {
    this.#holder = session;
    await this.postgres.run('begin');
    this.world.after(IDLE_IN_TRANSACTION_MS, () => this.#holder === session && session.cut(true));
  }

  async end(session: Session, how: 'commit' | 'rollback'): Promise<void> {
    if (this.#holder !== session) return;
    await this.postgres.run(how);
    this.#holder = undefined;
    this.wake();
  }

  /** Whether a session must wait, since another one has a transaction. */
  mustWait(session: Session): boolean {
    return this.#holder !== undefined && this.#holder !== session;
  }

  wake(): void {
    for (const session of this.sessions) this.world.after(0, () => session.step());
  }
}

/** A connection, over which statements are carried out in their order. */
export class Session {
  /** Those that are on their way to the database, or wait there. */
  readonly #sent: Statement[] = [];
  #arrivesAt = 0;
  #isOpen = true;
  #isStepping = false;
  #isInTransaction = false;
  #unanswered = new Set<Statement>();

  constructor(
    private readonly database: SimulatedDatabase,
    readonly process: Process,
    private readonly line: DatabaseLine,
  ) {
    database.sessions.add(this);
  }

  /** All that Drizzle and the pool need of Bun's client. */
  readonly client = {
    unsafe: (text: string, params: unknown[] = []) => {
      let isArray = false;
      // The shape of the rows is chosen in the same turn.
      const result = Promise.resolve().then(() => this.#send(text, params, isArray));
      const values = () => {
        isArray = true;
        return result;
      };
      return Object.assign(result, { values });
    },
    begin: async <Result>(run: (client: unknown) => Promise<Result>): Promise<Result> => {
      await this.#send('begin', [], false);
      try {
        const result = await run(this.client);
        await this.#send('commit', [], false);
        return result;
      } catch (error) {
        await this.#send('rollback', [], false).catch(() => {});
        throw error;
      }
    },
    /** Statements that were sent may still be carried out. */
    close: async () => this.#close(),
  };

  /**
   * The connection breaks: its server hears of it at once.
   *
   * @param isByPostgres whether Postgres ends it; otherwise statements that were sent may have arrived
   */
  cut(isByPostgres = false): void {
    if (isByPostgres || this.database.world.once(2)) this.#sent.length = 0;
    const unanswered = [...this.#unanswered];
    this.#close();
    this.process.deliver(() => {
      for (const { failed } of unanswered) failed(lost());
    });
  }

  /** Carries out the statements that have arrived, in turn. */
  async step(): Promise<void> {
    if (this.#isStepping) return;
    this.#isStepping = true;
    const { world } = this.database;
    for (;;) {
      const [next] = this.#sent;
      if (!next || next.arrivedAt > world.time) break;
      const error = this.#refusal(next);
      if (error === 'later') break;
      this.#sent.shift();
      if (error) this.#answer(next, () => next.failed(error));
      else await this.#execute(next);
    }
    this.#isStepping = false;
    if (!this.#isOpen && this.#sent.length === 0) await this.#forget();
  }

  #send(text: string, params: unknown[], isArray: boolean): Promise<unknown[]> {
    return new Promise((done, failed) => {
      const { world } = this.database;
      if (!this.#isOpen || !this.database.isUp || this.line.state === 'cut') {
        return failed(lost());
      }
      this.#arrivesAt = Math.max(this.#arrivesAt, world.time + world.delay(this.line.delay));
      const statement = { text, params, isArray, arrivedAt: this.#arrivesAt, done, failed };
      this.#sent.push(statement);
      this.#unanswered.add(statement);
      world.after(this.#arrivesAt - world.time, () => this.step());
    });
  }

  /** Why a statement is not carried out: not yet, or not at all. */
  #refusal({ text, params, arrivedAt }: Statement): 'later' | Error | undefined {
    const { world, held } = this.database;
    if (!this.database.isUp || this.line.state === 'held') return 'later';
    const waits = world.time - arrivedAt;
    if (this.#isOpen && waits >= STATEMENT_TIMEOUT_MS) {
      return serverError('57014', 'canceling statement due to statement timeout');
    }
    if (this.database.mustWait(this)) {
      return this.#later(arrivedAt + STATEMENT_TIMEOUT_MS);
    }
    const isWaiting = / for (?:no key )?update(?! skip)/.test(text) && text.includes('"rooms"');
    // A statement for one room has its id among the parameters, others have an array first.
    const [, place] = /where id in \(\$(\d+)::int\)/.exec(text) ?? [];
    const asked = place === undefined ? params[0] : `{${params[Number(place) - 1]}}`;
    const [, ids = ''] = /^\{([\d,]+)\}$/.exec(`${asked}`) ?? [];
    if (!isWaiting || !ids.split(',').some((id) => held.has(Number(id)))) return;
    if (waits >= LOCK_TIMEOUT_MS) {
      return serverError('55P03', 'canceling statement due to lock timeout');
    }
    return this.#later(arrivedAt + LOCK_TIMEOUT_MS);
  }

  /** Looks at the next statement again at `time`. */
  #later(time: number): 'later' {
    const { world } = this.database;
    // At least a millisecond: rounding could make the wait 0, and the simulation would never advance.
    world.after(Math.max(1, time - world.time), () => this.step());
    return 'later';
  }

  async #execute(statement: Statement): Promise<void> {
    const { postgres, held, snares, rightSnares, stalls, world } = this.database;
    const { text, params, isArray } = statement;
    const isCommit = text === 'commit' || text.includes('insert into "messages"');
    const isRight = CHANGES_RIGHTS.test(text) && !/^\s*select/.test(text);
    const isSnared =
      (isCommit && snares.delete(this.process)) || (isRight && rightSnares.delete(this.process));
    if (isSnared && world.once(2)) {
      this.cut(true);
      return;
    }
    try {
      let rows: unknown[] = [];
      if (text === 'begin') {
        this.#isInTransaction = true;
        await this.database.begin(this);
      } else if (text === 'commit' || text === 'rollback') {
        this.#isInTransaction = false;
        await this.database.end(this, text);
      } else {
        // Rows that another session holds are left out.
        const free = `and id <> all('{${[...held].join(',')}}'::int[]) order by id for no key update skip locked`;
        const left =
          held.size === 0
            ? text
            : text.replaceAll('order by id for no key update skip locked', free);
        const result = await postgres.run(left, params, isArray);
        rows = result;
        if (result.count > 0) await this.database.onResult(text);
      }
      if (isRight) {
        stalls.get(this.process)?.();
        stalls.delete(this.process);
      }
      if (isSnared) this.cut(true);
      this.#answer(statement, () => statement.done(rows));
    } catch (error) {
      this.#answer(statement, () => statement.failed(error as Error));
    }
  }

  #answer(statement: Statement, settle: () => void): void {
    if (!this.#isOpen) return;
    const { world } = this.database;
    world.after(world.delay(this.line.delay), () =>
      this.process.deliver(() => {
        // An answer on a line that was cut meanwhile is lost.
        if (this.#unanswered.delete(statement)) settle();
      }),
    );
  }

  #close(): void {
    this.#isOpen = false;
    this.#unanswered.clear();
    this.database.world.after(0, () => this.step());
  }

  async #forget(): Promise<void> {
    this.database.sessions.delete(this);
    if (this.#isInTransaction) await this.database.end(this, 'rollback');
  }
}

function lost(): Error {
  return new SQL.PostgresError('Connection closed', { code: 'ERR_POSTGRES_CONNECTION_CLOSED' });
}
