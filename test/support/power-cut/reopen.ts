/**
 * `bun reopen.ts <json>`: cuts the power in a recording at some places, opens the files that the disk has kept,
 * and prints a line of JSON for each: `{ cut, faults }`.
 */
import { MemoryFS, PGlite } from '@electric-sql/pglite';
import { amcheck } from '@electric-sql/pglite/contrib/amcheck';
import { postgresOptions } from '../../../src/db/synced-files.ts';
import { seeded } from '../random.ts';
import { Disk, type Sabotage } from './disk.ts';
import type { Account } from './workload.ts';

export interface Cut {
  /** A length of the recording. */
  at: number;
  seed: number;
}

export interface Reopening {
  log: string;
  root: string;
  account: Account;
  sabotage?: Sabotage | undefined;
  /** In the order of the recording. */
  cuts: Cut[];
}

type Files = Map<string, Uint8Array | null>;

/** The files of a database, in memory and nowhere else. */
class GivenFiles extends MemoryFS {
  constructor(private readonly files: Files) {
    super();
  }

  override async init(...[pg, options]: Parameters<MemoryFS['init']>) {
    const { emscriptenOpts } = await super.init(pg, options);
    const place = PGlite.paths.PGDATA;
    const fill: NonNullable<typeof emscriptenOpts.preRun>[number] = ({ FS }) => {
      for (const [path, content] of this.files) {
        if (content) FS.writeFile(place + path, content);
        else FS.mkdirTree(place + path);
      }
    };
    return {
      emscriptenOpts: { ...emscriptenOpts, preRun: [...(emscriptenOpts.preRun ?? []), fill] },
    };
  }
}

const CONTENTS = `
  select client_id as key, content, deleted_at is not null as "isDeleted"
  from messages join rooms on rooms.id = room_id and name = 'cut'`;

/** Each of these fails, with Postgres's own words, when a table or an index is damaged. */
const CHECKS = `
  select bt_index_check(indexrelid, true) from pg_index
    join pg_class on pg_class.oid = indexrelid join pg_am on pg_am.oid = relam
    where amname = 'btree' and relpersistence = 'p';
  select gin_index_check(indexrelid) from pg_index
    join pg_class on pg_class.oid = indexrelid join pg_am on pg_am.oid = relam
    where amname = 'gin';`;

const DAMAGE = `
  select relname, msg from pg_class, verify_heapam(pg_class.oid)
  where relkind = 'r' and relpersistence = 'p'`;

/** The words are those of the changes up to their cursor. */
const WRONG_WORDS = `
  select m.content from messages m
    join word_cursors c on c.room_id = m.room_id and c.rev >= m.rev
    full join message_words w on w.room_id = m.room_id and w.seq = m.seq
  where (w.seq is null) <> (m.deleted_at is not null)`;

const WRITE_ON = `
  update rooms set rev = rev + 1 where name = 'cut';
  insert into messages (seq, rev, room_id, user_id, content, created_at)
    select rev, rev, id, 1, 'after', now() from rooms where name = 'cut';
  insert into message_words (room_id, seq, words)
    select id, rev, to_tsvector('simple', 'after') from rooms where name = 'cut';
  checkpoint`;

/** @returns the faults of a database that was opened again */
async function faultsOf(database: PGlite, account: Account, at: number): Promise<string[]> {
  const faults: string[] = [];
  const { rows } = await database.query<{ key: string; content: string; isDeleted: boolean }>(
    CONTENTS,
  );
  const kept = new Map(rows.map((row) => [row.key, row]));
  for (const [key, states] of Object.entries(account.messages)) {
    const acked = states.findLastIndex((state) => state.acked && state.acked <= at);
    const row = kept.get(key);
    const content = row?.isDeleted ? null : row?.content;
    const found = row ? states.findIndex((state) => state.content === content) : -1;
    if (found < acked) faults.push(`${key}: acked ${acked}, found ${found}`);
  }
  await database.exec('create extension if not exists amcheck');
  await database.exec(CHECKS);
  const damage = await database.query<{ relname: string; msg: string }>(DAMAGE);
  faults.push(...damage.rows.map(({ relname, msg }) => `${relname}: ${msg}`));
  const wrong = await database.query<{ content: string }>(WRONG_WORDS);
  faults.push(...wrong.rows.map(({ content }) => `the words of "${content}" are missing or stale`));
  await database.exec(WRITE_ON);
  const after = await database.query(`select 1 from messages where content = 'after'`);
  if (after.rows.length !== 1) faults.push('it does not write on');
  return faults;
}

async function reopen({ log, root, account, sabotage, cuts }: Reopening): Promise<void> {
  const disk = new Disk(log, root, sabotage);
  const pgliteWasmModule = await WebAssembly.compileStreaming(
    new Response(Bun.file(new URL(import.meta.resolve('@electric-sql/pglite/pglite.wasm'))), {
      headers: { 'content-type': 'application/wasm' },
    }),
  );
  for (const cut of cuts) {
    disk.playTo(cut.at);
    const report = (faults: string[]) => console.log(JSON.stringify({ cut, faults }));
    const chance = seeded(cut.seed);
    const files = disk.survives('postgres', chance);
    if (!files?.has('/PG_VERSION')) {
      // It is made anew at the next start, as at the first.
      report(cut.at >= account.servedFrom ? ['the database is gone'] : []);
      continue;
    }
    files.delete('/postmaster.pid');
    try {
      const database = await PGlite.create({
        ...postgresOptions('memory'),
        fs: new GivenFiles(files),
        extensions: { amcheck },
        pgliteWasmModule,
      });
      // Otherwise the process would never end.
      database.Module.onAbort = () => {
        report(['it aborted']);
        process.exit();
      };
      report(cut.at < account.servedFrom ? [] : await faultsOf(database, account, cut.at));
      await database.close();
    } catch (error) {
      report([String((error as Error).message).split('\n', 1)[0] ?? '']);
    }
    Bun.gc(true);
  }
}

await reopen(JSON.parse(await Bun.stdin.text()));
process.exit();
