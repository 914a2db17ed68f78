CREATE TABLE IF NOT EXISTS "secrets" (
	"name" text PRIMARY KEY NOT NULL,
	"value" text NOT NULL
);
