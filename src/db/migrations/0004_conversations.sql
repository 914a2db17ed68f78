CREATE TABLE IF NOT EXISTS "notifications" (
	"id" bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY (sequence name "notifications_id_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1),
	"user_id" integer NOT NULL,
	"kind" text NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"message_id" bigint,
	"room_id" integer,
	"seq" bigint,
	"data" text
);
--> statement-breakpoint
CREATE TABLE IF NOT EXISTS "reactions" (
	"id" bigint GENERATED ALWAYS AS IDENTITY (sequence name "reactions_id_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1),
	"message_id" bigint NOT NULL,
	"emoji" text NOT NULL,
	"user_id" integer NOT NULL,
	CONSTRAINT "reactions_message_id_emoji_user_id_pk" PRIMARY KEY("message_id","emoji","user_id")
);
--> statement-breakpoint
CREATE TABLE IF NOT EXISTS "read_positions" (
	"user_id" integer NOT NULL,
	"room_id" integer NOT NULL,
	"last_read" bigint NOT NULL,
	CONSTRAINT "read_positions_user_id_room_id_pk" PRIMARY KEY("user_id","room_id")
);
--> statement-breakpoint
ALTER TABLE "messages" ADD COLUMN IF NOT EXISTS "reply_to" bigint;--> statement-breakpoint
ALTER TABLE "messages" ADD COLUMN IF NOT EXISTS "mentions" text;--> statement-breakpoint
ALTER TABLE "messages" ADD COLUMN IF NOT EXISTS "edited_at" timestamp (3) with time zone;--> statement-breakpoint
ALTER TABLE "messages" ADD COLUMN IF NOT EXISTS "deleted_at" timestamp (3) with time zone;--> statement-breakpoint
ALTER TABLE "messages" ADD COLUMN IF NOT EXISTS "posted_digest" text;--> statement-breakpoint
ALTER TABLE "messages" ADD COLUMN IF NOT EXISTS "words" "tsvector";--> statement-breakpoint
ALTER TABLE "rooms" ADD COLUMN IF NOT EXISTS "direct_low" integer;--> statement-breakpoint
ALTER TABLE "rooms" ADD COLUMN IF NOT EXISTS "direct_high" integer;--> statement-breakpoint
ALTER TABLE "users" ADD COLUMN IF NOT EXISTS "role" text DEFAULT 'user' NOT NULL;--> statement-breakpoint
CREATE INDEX IF NOT EXISTS "notifications_user" ON "notifications" USING btree ("user_id","id");--> statement-breakpoint
CREATE INDEX IF NOT EXISTS "notifications_message" ON "notifications" USING btree ("message_id") WHERE "notifications"."message_id" is not null;--> statement-breakpoint
CREATE INDEX IF NOT EXISTS "messages_room_changed" ON "messages" USING btree ("room_id","rev") WHERE "messages"."rev" <> "messages"."seq";--> statement-breakpoint
CREATE INDEX IF NOT EXISTS "messages_words" ON "messages" USING gin ("words") WHERE "messages"."seq" > 20000;--> statement-breakpoint
CREATE UNIQUE INDEX IF NOT EXISTS "rooms_direct" ON "rooms" USING btree ("direct_low","direct_high") WHERE "rooms"."direct_low" is not null;