# One server with its embedded database in /data; with DATABASE_URL and REDIS_URL, one of several.

FROM oven/bun:1.4.5-alpine AS build
WORKDIR /app
COPY package.json bun.lock ./
RUN bun install --frozen-lockfile --production --omit=peer
RUN mkdir data

FROM oven/bun:1.4.5-alpine
WORKDIR /app
ENV NODE_ENV=production HOST=0.0.0.0 PORT=3000 DATA_DIR=/data
COPY --from=build /app/node_modules ./node_modules
COPY --from=build --chown=bun:bun /app/data /data
COPY package.json ./
COPY client ./client
COPY src ./src
COPY public ./public
USER bun
VOLUME /data
EXPOSE 3000
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s CMD ["bun", "-e", "process.exit((await fetch('http://127.0.0.1:' + process.env.PORT + '/health')).ok ? 0 : 1)"]
CMD ["bun", "src/index.ts"]
