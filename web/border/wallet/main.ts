import { start } from '../../kit/mount';
import Wallet from './Wallet.svelte';

start(Wallet, 'resident');
