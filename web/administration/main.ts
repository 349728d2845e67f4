import { start } from '../kit/mount';
import Administration from './Administration.svelte';

start(Administration, 'console');
