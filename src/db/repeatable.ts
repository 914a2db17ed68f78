/**
 * Makes SQL of drizzle-kit repeatable: it changes nothing where it has run before, since the tables may have
 * been pushed before the first migration.
 */
export function repeatable(statements: string): string {
  return statements
    .replace(
      /\b(CREATE (?:TABLE|SEQUENCE|SCHEMA|(?:UNIQUE )?INDEX)|ADD COLUMN) (?!IF NOT EXISTS)/g,
      '$1 IF NOT EXISTS ',
    )
    .replace(
      /\b(DROP (?:TABLE|SEQUENCE|SCHEMA|INDEX|COLUMN|CONSTRAINT)) (?!IF EXISTS)/g,
      '$1 IF EXISTS ',
    )
    .replace(
      /(ALTER TABLE \S+ )ADD CONSTRAINT ("[^"]+")/g,
      '$1DROP CONSTRAINT IF EXISTS $2, ADD CONSTRAINT $2',
    );
}
