import { start } from '../kit/mount';
import Gallery from './Gallery.svelte';

start(Gallery);
