/**
 * Writes the tables of docs/protocol.md, from the schemas and codes that the server itself uses:
 * `bun run docs`. The text between `<!-- table: … -->` and `<!-- end -->` is replaced.
 */
import type { TObject, TSchema } from '@sinclair/typebox';
import { closeCodes, errorCodes } from '../src/errors.ts';
import { clientFrames } from '../src/protocol/client-frames.ts';
import { StoredMessage } from '../src/protocol/message.ts';
import { serverFrames } from '../src/protocol/server-frames.ts';

const reconnects = {
  now: 'yes, at once',
  later: 'yes, later',
  token: 'with a new token',
  no: 'no',
};

const tables: Record<string, () => string[][]> = {
  'client frames': () => [['frame', 'fields', 'effect'], ...framesOf(clientFrames)],
  'client fields': () => [['field', 'of', 'is'], ...fieldsOf(clientFrames)],
  'server frames': () => [['frame', 'fields', 'meaning'], ...framesOf(serverFrames)],
  'server fields': () => [['field', 'of', 'is'], ...fieldsOf(serverFrames)],
  message: () => [
    ['field', '', 'is'],
    ...Object.entries(StoredMessage.properties).map(([name, schema]) => [
      `\`${name}\``,
      isRequired(StoredMessage, name) ? '' : 'where it applies',
      meaningOf(schema),
    ]),
  ],
  'error codes': () => [
    ['`code`', 'HTTP', 'meaning'],
    ...Object.entries(errorCodes).map(([code, { status, meaning }]) => [
      `\`${code}\``,
      String(status),
      meaning,
    ]),
  ],
  'close codes': () => [
    ['code', 'meaning', 'reconnect?'],
    ...Object.values(closeCodes).map(({ code, meaning, reconnect }) => [
      String(code),
      meaning,
      reconnects[reconnect],
    ]),
  ],
};

/** The text with its tables up to date. @throws for the name of a table that does not exist */
export function withTables(text: string): string {
  return text.replace(/(<!-- table: (.+) -->\n)[\s\S]*?(<!-- end -->)/g, (_, start, name, end) => {
    const table = tables[name];
    if (!table) throw new Error(`there is no table "${name}"; there are ${Object.keys(tables)}`);
    return `${start}\n${markdown(table())}\n\n${end}`;
  });
}

function markdown([head = [], ...rows]: string[][]): string {
  const line = (cells: string[]) =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}

/** The fields of each frame, optional ones with a `?`, and its purpose. */
function framesOf(frames: Record<string, TSchema>): string[][] {
  return Object.entries(frames).flatMap(([type, schema]) =>
    variantsOf(schema).map((variant) => [
      `\`${type}\``,
      namesIn(variant)
        .map((name) => `\`${name}${isRequired(variant, name) ? '' : '?'}\``)
        .join(', '),
      variant.description ?? '',
    ]),
  );
}

/** The description of each field, only once if it is the same in several frames. */
function fieldsOf(frames: Record<string, TSchema>): string[][] {
  const found = new Map<string, { name: string; types: Set<string>; meaning: string }>();
  for (const [type, schema] of Object.entries(frames)) {
    for (const variant of variantsOf(schema)) {
      for (const name of namesIn(variant)) {
        const meaning = meaningOf(variant.properties[name] as TSchema);
        const key = `${name} ${meaning}`;
        const row = found.get(key) ?? { name, types: new Set(), meaning };
        found.set(key, row);
        row.types.add(`\`${type}\``);
      }
    }
  }
  return [...found.values()]
    .sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0))
    .map(({ name, types, meaning }) => [`\`${name}\``, [...types].join(', '), meaning]);
}

function variantsOf(schema: TSchema): TObject[] {
  return schema.anyOf ?? [schema];
}

/** The fields without the type, and without the `timestamp` of a client, which is ignored. */
function namesIn({ properties }: TObject): string[] {
  return Object.keys(properties).filter(
    (name) => name !== 'type' && (name !== 'timestamp' || properties[name]?.type === 'string'),
  );
}

function isRequired({ required = [] }: TObject, name: string): boolean {
  return required.includes(name);
}

function meaningOf(schema: TSchema): string {
  const literals = schema.anyOf?.map(({ const: value }: TSchema) => value);
  const values = literals?.every((value: unknown) => typeof value === 'string')
    ? literals.map((value: string) => `\`${value}\``).join(', ')
    : undefined;
  const of = schema.type === 'array' ? 'a list' : undefined;
  return [values ?? of, schema.description].filter(Boolean).join(': ') || (schema.type ?? '');
}

if (import.meta.main) {
  const file = Bun.file(new URL('protocol.md', import.meta.url));
  await Bun.write(file, withTables(await file.text()));
}
