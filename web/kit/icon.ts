/** The type of an icon of the Lucide set, for parts that take one. */
import type Shield from '@lucide/svelte/icons/shield';

export type Icon = typeof Shield;
