CREATE TABLE "notifications" (
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
CREATE TABLE "reactions" (
	"id" bigint GENERATED ALWAYS AS IDENTITY (sequence name "reactions_id_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1),
	"message_id" bigint NOT NULL,
	"emoji" text NOT NULL,
	"user_id" integer NOT NULL,
	CONSTRAINT "reactions_message_id_emoji_user_id_pk" PRIMARY KEY("message_id","emoji","user_id")
);
--> statement-breakpoint
CREATE TABLE "read_positions" (
	"user_id" integer NOT NULL,
	"room_id" integer NOT NULL,
	"last_read" bigint NOT NULL,
	CONSTRAINT "read_positions_user_id_room_id_pk" PRIMARY KEY("user_id","room_id")
);
--> statement-breakpoint
ALTER TABLE "messages" ADD COLUMN "reply_to" bigint;--> statement-breakpoint
ALTER TABLE "messages" ADD COLUMN "mentions" text;--> statement-breakpoint
ALTER TABLE "messages" ADD COLUMN "edited_at" timestamp (3) with time zone;--> statement-breakpoint
ALTER TABLE "messages" ADD COLUMN "deleted_at" timestamp (3) with time zone;--> statement-breakpoint
ALTER TABLE "messages" ADD COLUMN "posted_digest" text;--> statement-breakpoint
ALTER TABLE "messages" ADD COLUMN "words" "tsvector";--> statement-breakpoint
ALTER TABLE "rooms" ADD COLUMN "direct_low" integer;--> statement-breakpoint
ALTER TABLE "rooms" ADD COLUMN "direct_high" integer;--> statement-breakpoint
ALTER TABLE "users" ADD COLUMN "role" text DEFAULT 'user' NOT NULL;--> statement-breakpoint
CREATE INDEX "notifications_user" ON "notifications" USING btree ("user_id","id");--> statement-breakpoint
CREATE INDEX "notifications_message" ON "notifications" USING btree ("message_id") WHERE "notifications"."message_id" is not null;--> statement-breakpoint
CREATE INDEX "messages_room_changed" ON "messages" USING btree ("room_id","rev") WHERE "messages"."rev" <> "messages"."seq";--> statement-breakpoint
CREATE INDEX "messages_words" ON "messages" USING gin ("words") WHERE "messages"."seq" > 20000;--> statement-breakpoint
CREATE UNIQUE INDEX "rooms_direct" ON "rooms" USING btree ("direct_low","direct_high") WHERE "rooms"."direct_low" is not null;