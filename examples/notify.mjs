// Notifies a user from a back end. The notification waits until the user has read it.
//   API_KEY=secret bun start
//   API_KEY=secret node examples/notify.mjs ana "Your order is on its way"
const { API_KEY, CHAT_URL = 'http://localhost:3000' } = process.env;
const [username, text] = process.argv.slice(2);

const reply = await fetch(`${CHAT_URL}/notifications`, {
  method: 'POST',
  headers: { authorization: `Bearer ${API_KEY}`, 'content-type': 'application/json' },
  body: JSON.stringify({ to: [username], data: { text } }),
});
if (!reply.ok) throw new Error(await reply.text());
