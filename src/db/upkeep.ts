import { type Cancel, systemClock } from '../lib/clock.ts';

/** Postgres's log grows until a checkpoint, and so does the time to open the database after a crash. */
const CHECKPOINT_BYTES = 64 * 1024 * 1024;
const LOOK_EVERY_MS = 1000;
/** After this many looks without a write, nothing waits for the database. */
const IDLE_LOOKS = 5;

const LOG_POSITION = `
  select (pg_current_wal_lsn() - '0/0')::float8 as position,
    (pg_current_wal_lsn() - redo_lsn)::float8 as "sinceCheckpoint"
  from pg_control_checkpoint()`;

/** The tables of which a tenth has changed since their last analyze, as autovacuum counts. */
const CHANGED_TABLES = `
  select relid::regclass::text as name from pg_stat_user_tables
  where n_mod_since_analyze > 50 + n_live_tup / 10`;

/** The columns of the statements here. */
interface Row {
  position: number;
  sinceCheckpoint: number;
  name: string;
}

/**
 * Does the work of the checkpointer and of autovacuum for the embedded Postgres, which has only one process.
 */
export class Upkeep {
  #stop: Cancel = () => {};
  #isBusy = false;
  #position = 0;
  #looksSinceWrite = 0;

  constructor(private readonly run: (statement: string) => Promise<Row[]>) {}

  start(): void {
    this.#stop = systemClock.every(LOOK_EVERY_MS, () => {
      if (this.#isBusy) return;
      this.#isBusy = true;
      // A failing database is reported elsewhere, and a later look does the work.
      this.#look()
        .catch(() => {})
        .finally(() => {
          this.#isBusy = false;
        });
    });
  }

  close(): void {
    this.#stop();
  }

  async #look(): Promise<void> {
    const [found] = await this.run(LOG_POSITION);
    const { position = 0, sinceCheckpoint = 0 } = found ?? {};
    this.#looksSinceWrite = position === this.#position ? this.#looksSinceWrite + 1 : 0;
    this.#position = position;
    if (sinceCheckpoint >= CHECKPOINT_BYTES) await this.run('checkpoint');
    if (this.#looksSinceWrite !== IDLE_LOOKS) return;
    for (const { name } of await this.run(CHANGED_TABLES)) {
      await this.run(`vacuum (analyze) ${name}`);
    }
  }
}
