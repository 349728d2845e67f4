import { start } from '../kit/mount';
import Operations from './Operations.svelte';

start(Operations);
