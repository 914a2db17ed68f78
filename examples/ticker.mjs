// Prices for ticker.html, as events: sent to the users in the room, and not stored.
//   API_KEY=secret bun start
//   API_KEY=secret node examples/ticker.mjs
const { API_KEY, CHAT_URL = 'http://localhost:3000' } = process.env;
const headers = { authorization: `Bearer ${API_KEY}`, 'content-type': 'application/json' };
const prices = new Map([
  ['ACME', 120],
  ['BOLT', 43.5],
  ['CORA', 310],
]);

setInterval(async () => {
  for (const [name, price] of prices) prices.set(name, price * (0.99 + Math.random() / 50));
  const body = JSON.stringify({ name: 'prices', data: Object.fromEntries(prices) });
  const reply = await fetch(`${CHAT_URL}/rooms/stocks/events`, { method: 'POST', headers, body });
  if (!reply.ok) console.error(await reply.text());
}, 1000);
