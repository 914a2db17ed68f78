CREATE TABLE IF NOT EXISTS "deleted_rooms" (
	"room_id" integer PRIMARY KEY NOT NULL
);
--> statement-breakpoint
CREATE TABLE IF NOT EXISTS "room_people" (
	"room_id" integer NOT NULL,
	"user_id" integer NOT NULL,
	"is_member" boolean DEFAULT false NOT NULL,
	"is_banned" boolean DEFAULT false NOT NULL,
	"is_muted" boolean DEFAULT false NOT NULL,
	CONSTRAINT "room_people_room_id_user_id_pk" PRIMARY KEY("room_id","user_id")
);
--> statement-breakpoint
ALTER TABLE "rooms" ADD COLUMN IF NOT EXISTS "topic" text;--> statement-breakpoint
ALTER TABLE "rooms" ADD COLUMN IF NOT EXISTS "is_private" boolean DEFAULT false NOT NULL;--> statement-breakpoint
ALTER TABLE "rooms" ADD COLUMN IF NOT EXISTS "owner_id" integer;--> statement-breakpoint
ALTER TABLE "rooms" ADD COLUMN IF NOT EXISTS "is_moderated" boolean DEFAULT false NOT NULL;