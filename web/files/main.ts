import { start } from '../kit/mount';
import Files from './Files.svelte';

start(Files, 'console');
