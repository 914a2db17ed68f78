/** `bun open-embedded.ts <folder> <timeout>`: opens the embedded database, closes it, and prints the outcome. */
import { openEmbedded } from '../../src/db/embedded.ts';

const [folder = '', timeout] = process.argv.slice(2);
try {
  const { close } = await openEmbedded(folder, Number(timeout));
  await close();
  console.log('well');
} catch (error) {
  console.log((error as Error).message);
}
process.exit();
