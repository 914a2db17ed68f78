CREATE TABLE IF NOT EXISTS "isolated_servers" (
	"id" uuid PRIMARY KEY NOT NULL,
	"seen_at" timestamp (3) with time zone NOT NULL
);
--> statement-breakpoint
ALTER TABLE "room_people" ADD COLUMN IF NOT EXISTS "version" bigint DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE "rooms" ADD COLUMN IF NOT EXISTS "version" bigint DEFAULT 0 NOT NULL;--> statement-breakpoint
CREATE INDEX IF NOT EXISTS "rooms_direct_high" ON "rooms" USING btree ("direct_high") WHERE "rooms"."direct_low" is not null;