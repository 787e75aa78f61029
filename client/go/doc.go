// Package livehandle calls livehandled, the daemon that holds one Gemini Live session and shares it
// over a Unix socket.
//
// [Dial] connects. A method of the daemon is a method of [Client]: send_text is [Client.SendText],
// state.get is [Client.StateGet]. One that takes nothing but one or two required parameters takes
// them as arguments, any other takes a struct of them; a parameter left at its zero value is not
// sent, and one for which that would mean something else is a pointer (see [Ptr]).
//
// [Client.Events] and [Client.Subscribe] give a [Subscription], whose events [Event.Decode] makes
// types of, one for each topic. [Client.RegisterTools] has the model call functions of the program.
//
// What the daemon refuses is an [*Error], whose name is an [ErrorName]: errors.Is(err, ErrTextEmpty).
//
// A connection that is lost is made again, with tools and subscriptions as they were: see
// [Subscription.Next] for what its reader learns, [Client.Call] for what becomes of calls.
package livehandle
