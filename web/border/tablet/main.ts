import { start } from '../../kit/mount';
import Tablet from './Tablet.svelte';

start(Tablet, 'console');
