import { Client } from '../support/client.ts';
import { startReady } from '../support/process.ts';
import { freshPostgres, testWithPostgres } from '../support/services.ts';

testWithPostgres(
  'a server that is paused while a message is written, such as a laptop that sleeps, stores it and all later ones',
  async () => {
    const server = await startReady({ DATABASE_URL: await freshPostgres(), DATABASE_TIMEOUT: '1' });
    const ana = await Client.connect(server.ws);
    ana.send({ type: 'join', username: 'ana', protocol: 1 });
    await ana.untilType('joined');
    const post = async (id: string): Promise<void> => {
      let type: string;
      do {
        ana.send({ type: 'message', content: id, id });
        type = (await ana.until((frame) => 'id' in frame && frame.id === id)).type;
      } while (type !== 'ack');
    };
    for (let round = 0; round < 8; round++) {
      ana.send({ type: 'message', content: `amid ${round}`, id: `amid ${round}` });
      // The pause has to fall between the commit and the server's reading of the answer.
      await Bun.sleep(round);
      server.kill('SIGSTOP');
      await Bun.sleep(1200);
      server.kill('SIGCONT');
      await post(`amid ${round}`);
      await post(`after ${round}`);
    }
  },
  60_000,
);
