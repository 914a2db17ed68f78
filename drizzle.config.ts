import { defineConfig } from 'drizzle-kit';

/** For drizzle-kit's own commands, of which those that open a database need `DATABASE_URL`. */
const url = process.env.DATABASE_URL;

export default defineConfig({
  dialect: 'postgresql',
  schema: './src/db/schema/*',
  out: './src/db/migrations',
  ...(url && { dbCredentials: { url } }),
});
