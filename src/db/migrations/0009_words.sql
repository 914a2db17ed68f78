CREATE TABLE IF NOT EXISTS "message_words" (
	"room_id" integer NOT NULL,
	"seq" bigint NOT NULL,
	"words" "tsvector" NOT NULL,
	CONSTRAINT "message_words_room_id_seq_pk" PRIMARY KEY("room_id","seq")
);
--> statement-breakpoint
CREATE TABLE IF NOT EXISTS "word_cursors" (
	"room_id" integer PRIMARY KEY NOT NULL,
	"rev" bigint NOT NULL
);
--> statement-breakpoint
DROP INDEX IF EXISTS "messages_words";--> statement-breakpoint
CREATE INDEX IF NOT EXISTS "message_words_gin" ON "message_words" USING gin ("words") WHERE "message_words"."seq" > 20000;--> statement-breakpoint
ALTER TABLE "messages" DROP COLUMN IF EXISTS "words";