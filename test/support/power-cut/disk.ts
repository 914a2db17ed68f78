import fs from 'node:fs';
import { basename, dirname } from 'node:path';
import type { seeded } from '../random.ts';
import type { Operation } from './recorder.ts';

type Chance = ReturnType<typeof seeded>;

/** A server that syncs too little, from some place in the recording on. */
export interface Sabotage {
  what: 'only the log is synced' | 'nothing is synced';
  from: number;
}

const SECTOR = 512;

/** The writes to one thing since its last sync, in order, and the state before. */
class Unsynced<State> {
  #later: State[] = [];

  constructor(private synced: State) {}

  get now(): State {
    return this.#later.at(-1) ?? this.synced;
  }

  set(state: State): void {
    this.#later.push(state);
  }

  sync(): void {
    this.synced = this.now;
    this.#later = [];
  }

  /** A random prefix of the writes. */
  survives(chance: Chance): State {
    const kept = chance.integer(this.#later.length + 1);
    return kept === 0 ? this.synced : (this.#later[kept - 1] as State);
  }
}

class File {
  readonly size = new Unsynced(0);
  /** By their place; those that are not here are zeros. */
  readonly sectors = new Map<number, Unsynced<Uint8Array | null>>();
  readonly #unsynced = new Set<number>();

  write(at: number, data: Uint8Array): void {
    for (let done = 0; done < data.length; ) {
      const place = Math.floor((at + done) / SECTOR);
      const offset = (at + done) % SECTOR;
      const length = Math.min(SECTOR - offset, data.length - done);
      const sector = new Uint8Array(SECTOR);
      const before = this.sectors.get(place)?.now;
      if (before) sector.set(before);
      sector.set(data.subarray(done, done + length), offset);
      this.#set(place, sector);
      done += length;
    }
    if (at + data.length > this.size.now) this.size.set(at + data.length);
  }

  truncate(size: number): void {
    for (const [place, { now }] of this.sectors) {
      const kept = size - place * SECTOR;
      if (kept <= 0) this.#set(place, null);
      else if (kept < SECTOR && now) {
        const sector = new Uint8Array(SECTOR);
        sector.set(now.subarray(0, kept));
        this.#set(place, sector);
      }
    }
    this.size.set(size);
  }

  sync(): void {
    for (const place of this.#unsynced) this.sectors.get(place)?.sync();
    this.#unsynced.clear();
    this.size.sync();
  }

  survives(chance: Chance): Uint8Array {
    const content = new Uint8Array(this.size.survives(chance));
    for (const [place, sector] of this.sectors) {
      const kept = sector.survives(chance);
      const at = place * SECTOR;
      if (kept && at < content.length) content.set(kept.subarray(0, content.length - at), at);
    }
    return content;
  }

  #set(place: number, sector: Uint8Array | null): void {
    const known = this.sectors.get(place) ?? new Unsynced<Uint8Array | null>(null);
    this.sectors.set(place, known);
    known.set(sector);
    this.#unsynced.add(place);
  }
}

type Entries = ReadonlyMap<string, File | Folder>;

/** Its entries change in order, as a journal has them. */
class Folder {
  readonly entries = new Unsynced<Entries>(new Map());

  change(change: (entries: Map<string, File | Folder>) => void): void {
    const entries = new Map(this.entries.now);
    change(entries);
    this.entries.set(entries);
  }
}

/**
 * A disk that played a recording up to some operation, and may lose its power there: then each
 * sector, each file size and each folder keeps a random prefix of its unsynced writes.
 *
 * To sync a file syncs its name too, as the journals of ext4, XFS and APFS do.
 */
export class Disk {
  readonly #root = new Folder();
  readonly #opened = new Map<string, { node: File | Folder; path: string }>();
  readonly #log: Buffer;
  #at = 0;

  constructor(
    log: string,
    private readonly root: string,
    private readonly sabotage?: Sabotage | undefined,
  ) {
    this.#log = fs.readFileSync(log);
  }

  /** Plays on, up to the operation that ends at or before this place in the recording. */
  playTo(end: number): void {
    for (;;) {
      const head = this.#at + 8;
      if (head > end) return;
      const headLength = this.#log.readUInt32LE(this.#at);
      const dataLength = this.#log.readUInt32LE(this.#at + 4);
      const next = head + headLength + dataLength;
      if (next > end) return;
      const operation = JSON.parse(this.#log.toString('utf8', head, head + headLength));
      this.#play(operation, this.#log.subarray(head + headLength, next));
      this.#at = next;
    }
  }

  /** The files of a folder as they may be after a power cut now, by their paths in it; undefined when it is not there. */
  survives(folder: string, chance: Chance): Map<string, Uint8Array | null> | undefined {
    const files = new Map<string, Uint8Array | null>();
    const walk = (node: File | Folder, path: string) => {
      if (node instanceof File) {
        files.set(path, node.survives(chance));
        return;
      }
      files.set(path, null);
      for (const [name, child] of node.entries.survives(chance)) walk(child, `${path}/${name}`);
    };
    const top = this.#root.entries.survives(chance).get(folder);
    if (top) walk(top, '');
    return top && files;
  }

  #play(operation: Operation, data: Uint8Array): void {
    if ('fd' in operation) {
      const key = `${operation.pid}:${operation.fd}`;
      if (operation.do === 'open') {
        const node = this.#find(operation.path);
        if (node) this.#opened.set(key, { node, path: operation.path });
        return;
      }
      const opened = this.#opened.get(key);
      if (operation.do === 'close') this.#opened.delete(key);
      else if (!opened) throw new Error(`not open: ${JSON.stringify(operation)}`);
      else if (operation.do === 'fsync') this.#sync(opened.node, opened.path);
      else if (opened.node instanceof Folder) throw new Error(`a folder: ${opened.path}`);
      else if (operation.do === 'write') opened.node.write(operation.at, data);
      else opened.node.truncate(operation.size);
      return;
    }
    const { path } = operation;
    // The folder of all is there before the recording.
    if (path === this.root) return;
    const folder = this.#find(dirname(path)) as Folder;
    const name = basename(path);
    if (operation.do === 'truncate') (this.#find(path) as File).truncate(operation.size);
    else if (operation.do === 'remove') folder.change((entries) => entries.delete(name));
    else if (operation.do === 'mkdir') folder.change((entries) => entries.set(name, new Folder()));
    else if (operation.do === 'create') {
      const there = this.#find(path);
      if (there) (there as File).truncate(0);
      else folder.change((entries) => entries.set(name, new File()));
    } else {
      if (dirname(operation.to) !== dirname(path)) throw new Error(`moved away: ${path}`);
      const node = this.#find(path) as File | Folder;
      folder.change((entries) => entries.delete(name) && entries.set(basename(operation.to), node));
    }
  }

  #sync(node: File | Folder, path: string): void {
    const sabotage = this.sabotage && this.#at >= this.sabotage.from ? this.sabotage.what : '';
    if (sabotage === 'nothing is synced') return;
    if (sabotage === 'only the log is synced' && !path.includes('/pg_wal')) return;
    if (node instanceof Folder) {
      node.entries.sync();
      return;
    }
    node.sync();
    (this.#find(dirname(path)) as Folder | undefined)?.entries.sync();
  }

  #find(path: string): File | Folder | undefined {
    let node: File | Folder | undefined = this.#root;
    for (const name of path.slice(this.root.length).split('/').filter(Boolean)) {
      node = node instanceof Folder ? node.entries.now.get(name) : undefined;
    }
    return node;
  }
}
