/** `bun client/pack.ts`: builds what is published into `client/dist`: the files, their source maps and their types. */
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import type { TSchema } from '@sinclair/typebox';
import { Glob } from 'bun';
import { errorCodes } from '../src/errors.ts';
import { clientFrames } from '../src/protocol/client-frames.ts';
import { StoredMessage } from '../src/protocol/message.ts';
import {
  Member,
  Notification,
  OwnRoom,
  RoomInfo,
  Session,
  User,
  UserStatus,
} from '../src/protocol/rest.ts';
import { serverFrames } from '../src/protocol/server-frames.ts';
import { buildClient, buildReact } from './build.ts';

const root = join(import.meta.dirname, '..');
const dist = join(root, 'client/dist');

rmSync(dist, { recursive: true, force: true });
for (const [path, text] of [...(await buildClient('index', '')), ...(await buildReact())]) {
  const link = path.endsWith('.js') ? `//# sourceMappingURL=${basename(path)}.map\n` : '';
  await Bun.write(join(dist, path), text + link);
}
await writeTypes();

/**
 * The declarations of all files, with the types of the protocol written out, so that they depend neither
 * on the server nor on its schemas.
 */
async function writeTypes(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'ws-chat-client-'));
  for (const name of new Glob('**/*.ts').scanSync(join(root, 'client'))) {
    await Bun.write(join(folder, name), Bun.file(join(root, 'client', name)));
  }
  writeFileSync(join(folder, 'protocol.ts'), protocolTypes());
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
  const settings = {
    extends: join(root, 'tsconfig.json'),
    compilerOptions: {
      noEmit: false,
      declaration: true,
      emitDeclarationOnly: true,
      stripInternal: true,
      types: [],
      outDir: 'out',
      rootDir: '.',
    },
    include: [],
    files: ['index.ts', 'react/index.ts'],
  };
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(settings));
  const tsc = join(root, 'node_modules/.bin/tsc');
  const compiler = Bun.spawnSync([tsc, '--project', folder], { stdout: 'inherit' });
  if (compiler.exitCode !== 0) throw new Error('the types do not compile');
  for (const name of new Glob('**/*.d.ts').scanSync(join(folder, 'out'))) {
    const text = readFileSync(join(folder, 'out', name), 'utf8')
      .replaceAll(/(from |import\()(['"])(\.[^'"]+)\.ts\2/g, '$1$2$3.js$2')
      // Internal members are not declared, so a class seems to lack members of its interfaces.
      .replaceAll(/ implements [^{]+\{/g, ' {');
    await Bun.write(join(dist, name), text);
  }
  rmSync(folder, { recursive: true });
}

function protocolTypes(): string {
  const bodies = {
    StoredMessage,
    Reaction: StoredMessage.properties.reactions.items,
    Notification,
    OwnRoom,
    RoomInfo,
    Member,
    Session,
    User,
    UserStatus,
  };
  const { system: _, message: __, update: ___, ...others } = serverFrames;
  const changeFrame = union(
    ['message', 'update'].map((type) => `(StoredMessage & { type: '${type}' })`),
  );
  return [
    ...Object.entries(bodies).map(([name, schema]) => declare(name, toType(schema))),
    declare('ErrorCode', union(Object.keys(errorCodes).map((code) => JSON.stringify(code)))),
    declare('ClientFrame', union(Object.values(clientFrames).map(toType))),
    declare('ChangeFrame', changeFrame),
    declare('ChangesFrame', "{ type: 'changes'; room: string; changes: ChangeFrame[] }"),
    declare(
      'ServerFrame',
      union(['ChangeFrame', 'ChangesFrame', ...Object.values(others).map(toType)]),
    ),
    'export type ServerFrameOf<Type extends ServerFrame["type"]> = Extract<ServerFrame, { type: Type }>;',
    '',
  ].join('\n');
}

function declare(name: string, type: string): string {
  return `export type ${name} = ${type};`;
}

function union(types: string[]): string {
  return types.map((type) => `\n  | ${type}`).join('');
}

/** A JSON Schema as a type. */
function toType(schema: TSchema): string {
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (schema.enum)
    return `(${schema.enum.map((each: unknown) => JSON.stringify(each)).join(' | ')})`;
  if (schema.anyOf) return `(${schema.anyOf.map(toType).join(' | ')})`;
  if (schema.type === 'array') return `${toType(schema.items)}[]`;
  if (schema.type === 'integer') return 'number';
  if (schema.type === 'object') {
    const { properties = {}, required = [] } = schema;
    const fields = Object.entries<TSchema>(properties).map(([name, field]) => {
      const comment = field.description ? `/** ${field.description} */ ` : '';
      return `${comment}${name}${required.includes(name) ? '' : '?'}: ${toType(field)};`;
    });
    return `{ ${fields.join(' ')} }`;
  }
  return schema.type ?? 'unknown';
}
