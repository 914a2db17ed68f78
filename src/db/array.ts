/**
 * An array as Postgres reads it from text, which every driver passes on untouched.
 *
 * @see https://www.postgresql.org/docs/current/arrays.html#ARRAYS-IO
 */
export function array(values: (number | string | null | undefined)[]): string {
  const items = values.map((value) => {
    if (value === undefined || value === null) return 'NULL';
    return typeof value === 'number' ? value : `"${value.replace(/["\\]/g, '\\$&')}"`;
  });
  return `{${items.join(',')}}`;
}
