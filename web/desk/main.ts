import { start } from '../kit/mount';
import Desk from './Desk.svelte';

start(Desk, 'console');
