CREATE TABLE IF NOT EXISTS "reaction_counts" (
	"message_id" bigint NOT NULL,
	"emoji" text NOT NULL,
	"count" integer NOT NULL,
	CONSTRAINT "reaction_counts_message_id_emoji_pk" PRIMARY KEY("message_id","emoji")
);
--> statement-breakpoint
CREATE INDEX IF NOT EXISTS "reactions_first" ON "reactions" USING btree ("message_id","emoji","id");--> statement-breakpoint
INSERT INTO "reaction_counts" SELECT "message_id", "emoji", count(*) FROM "reactions" GROUP BY 1, 2 ON CONFLICT DO NOTHING;
