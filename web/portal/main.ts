import { start } from '../kit/mount';
import Portal from './Portal.svelte';

start(Portal, 'resident');
